//! Access tokens: JWT with EdDSA and nothing else, believed for an hour and only while their session lives.

use std::collections::HashMap;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use db::SessionId;
use envelope::ids::UserId;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use proto::Token;
use proto::limits::ACCESS_SECONDS;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Who made the token; another service of the same operator cannot lend its own.
const ISSUER: &str = "waxwing";
/// Seconds by which the clocks of two servers may differ.
const LEEWAY: i64 = 60;
/// PKCS#8 (version 1) around a 32-byte Ed25519 seed, RFC 8410.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// What a token says. Times are numbers; text in their place does not parse.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    user_id: UserId,
    #[serde(rename = "type")]
    kind: Kind,
    exp: i64,
    iat: i64,
    jti: String,
    sid: String,
}

#[derive(Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Access,
    Refresh,
}

/// What a token is good for. A token of one realm is none in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Realm {
    /// Everything of the native API.
    Native,
    /// The documented API (v0).
    V0Access,
    /// New access tokens of the documented API.
    V0Refresh,
}

impl Realm {
    const fn issuer(self) -> &'static str {
        match self {
            Self::Native => ISSUER,
            Self::V0Access | Self::V0Refresh => "waxwing-v0",
        }
    }

    const fn kind(self) -> Kind {
        match self {
            Self::Native | Self::V0Access => Kind::Access,
            Self::V0Refresh => Kind::Refresh,
        }
    }

    /// Seconds that a token of it lives at most.
    const fn longest(self) -> i64 {
        match self {
            Self::Native | Self::V0Access => ACCESS_SECONDS,
            Self::V0Refresh => proto::v0::REFRESH_SECONDS,
        }
    }
}

/// A token that is good as far as it says itself; whether its session lives is another question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bearer {
    pub(crate) user: UserId,
    pub(crate) sid: SessionId,
}

/// Why a token is not believed. The client is told only that it must sign in.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum BadToken {
    /// Another algorithm than ours, or a header that points to keys.
    #[error("the token's header is not one of ours")]
    Header,
    /// A key that is not ours.
    #[error("the token names an unknown key")]
    Key,
    /// Not signed, not parsable, or a claim missing or of the wrong kind.
    #[error("the token's claims or signature are wrong")]
    Claims,
    /// Ended, or not yet begun.
    #[error("the token is not in its time")]
    Time,
}

/// Makes and judges access tokens.
pub(crate) struct AccessTokens {
    signing: EncodingKey,
    kid: String,
    believed: HashMap<String, DecodingKey>,
}

impl AccessTokens {
    /// The first seed signs; all are believed.
    pub(crate) fn new(seeds: &[Zeroizing<[u8; 32]>]) -> Self {
        let mut believed = HashMap::new();
        let mut signing = None;
        for seed in seeds {
            let pair = Ed25519KeyPair::from_seed_unchecked(&**seed).expect("32 bytes are an Ed25519 seed");
            let public = pair.public_key().as_ref();
            let kid: String =
                crate::secrets::sha256(&[public])[..8].iter().map(|byte| format!("{byte:02x}")).collect();
            believed.insert(kid.clone(), DecodingKey::from_ed_der(public));
            signing.get_or_insert_with(|| {
                let pkcs8 = Zeroizing::new([PKCS8_PREFIX.as_slice(), seed.as_slice()].concat());
                (EncodingKey::from_ed_der(&pkcs8), kid)
            });
        }
        let (signing, kid) = signing.expect("there is always a signing seed");
        Self { signing, kid, believed }
    }

    /// A token for a session that was just opened or renewed, good for `seconds` from now, at most an hour.
    pub(crate) fn issue(&self, bearer: Bearer, now: i64, seconds: i64) -> Token {
        self.issue_for(Realm::Native, bearer, now, seconds)
    }

    /// A token of a realm, good for `seconds` from now, at most as long as any of that realm.
    pub(crate) fn issue_for(&self, realm: Realm, bearer: Bearer, now: i64, seconds: i64) -> Token {
        let claims = Claims {
            iss: realm.issuer().to_owned(),
            user_id: bearer.user,
            kind: realm.kind(),
            exp: now + seconds.min(realm.longest()),
            iat: now,
            jti: uuid::Uuid::from_bytes(crate::random::uuid()).to_string(),
            sid: uuid::Uuid::from_bytes(*bearer.sid.as_bytes()).to_string(),
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        Token::new(encode(&header, &claims, &self.signing).expect("claims of text and numbers serialise"))
    }

    /// Judges a token by its header, key, signature, claims and times.
    pub(crate) fn judge(&self, token: &str, now: i64) -> Result<Bearer, BadToken> {
        self.judge_for(Realm::Native, token, now)
    }

    /// The same, with the unix second from which on it is not believed.
    pub(crate) fn judge_until(&self, token: &str, now: i64) -> Result<(Bearer, i64), BadToken> {
        self.judge_whole(Realm::Native, token, now)
    }

    /// The same of a token of another realm.
    pub(crate) fn judge_for(&self, realm: Realm, token: &str, now: i64) -> Result<Bearer, BadToken> {
        self.judge_whole(realm, token, now).map(|(bearer, _)| bearer)
    }

    fn judge_whole(&self, realm: Realm, token: &str, now: i64) -> Result<(Bearer, i64), BadToken> {
        let header = decode_header(token).map_err(|_| BadToken::Header)?;
        let plain = Header { kid: header.kid.clone(), ..Header::new(Algorithm::EdDSA) };
        if header != plain {
            return Err(BadToken::Header);
        }
        let key = header.kid.as_ref().and_then(|kid| self.believed.get(kid)).ok_or(BadToken::Key)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.required_spec_claims.clear();
        // Times are judged below, by the server's one clock.
        validation.validate_exp = false;
        validation.validate_aud = false;
        let claims = decode::<Claims>(token, key, &validation).map_err(|_| BadToken::Claims)?.claims;
        if claims.iss != realm.issuer() || claims.kind != realm.kind() {
            return Err(BadToken::Claims);
        }
        if claims.exp <= now || claims.iat > now + LEEWAY || claims.exp - claims.iat > realm.longest() {
            return Err(BadToken::Time);
        }
        let sid = uuid::Uuid::try_parse(&claims.sid).map_err(|_| BadToken::Claims)?;
        Ok((Bearer { user: claims.user_id, sid: SessionId::from_bytes(sid.into_bytes()) }, claims.exp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn bearer() -> Bearer {
        Bearer { user: UserId::from_bytes([1; 16]), sid: SessionId::from_bytes([2; 16]) }
    }

    fn tokens(seed: u8) -> AccessTokens {
        AccessTokens::new(&[Zeroizing::new([seed; 32])])
    }

    #[test]
    fn a_token_is_good_for_an_hour() {
        let tokens = tokens(1);
        let token = tokens.issue(bearer(), NOW, ACCESS_SECONDS);
        let judge = |now| tokens.judge(token.expose_secret(), now);
        assert_eq!(judge(NOW), Ok(bearer()));
        assert_eq!(judge(NOW + 3_599), Ok(bearer()));
        assert_eq!(judge(NOW + 3_600), Err(BadToken::Time));
        assert_eq!(judge(NOW - 61), Err(BadToken::Time));
    }

    #[test]
    fn a_token_of_one_realm_is_none_in_another() {
        let tokens = tokens(1);
        let realms = [Realm::Native, Realm::V0Access, Realm::V0Refresh];
        for made in realms {
            let token = tokens.issue_for(made, bearer(), NOW, i64::MAX - NOW);
            for asked in realms {
                let judged = tokens.judge_for(asked, token.expose_secret(), NOW);
                assert_eq!(judged.is_ok(), made == asked, "{made:?} as {asked:?}");
            }
            assert!(tokens.judge_for(made, token.expose_secret(), NOW + made.longest() - 1).is_ok());
            assert!(tokens.judge_for(made, token.expose_secret(), NOW + made.longest()).is_err());
        }
    }

    #[test]
    fn a_previous_secret_is_believed_but_an_unknown_one_is_not() {
        let old = tokens(1).issue(bearer(), NOW, ACCESS_SECONDS);
        let both = AccessTokens::new(&[Zeroizing::new([2; 32]), Zeroizing::new([1; 32])]);
        assert_eq!(both.judge(old.expose_secret(), NOW), Ok(bearer()));
        assert_eq!(tokens(2).judge(old.expose_secret(), NOW), Err(BadToken::Key));
    }

    #[test]
    fn a_token_signed_by_another_key_under_the_name_of_ours_is_refused() {
        let (ours, theirs) = (tokens(1), tokens(2));
        let forger = AccessTokens { kid: ours.kid.clone(), ..theirs };
        let forged = forger.issue(bearer(), NOW, ACCESS_SECONDS);
        assert_eq!(ours.judge(forged.expose_secret(), NOW), Err(BadToken::Claims));
    }

    #[test]
    fn a_claim_of_text_in_the_place_of_a_number_is_refused() {
        let tokens = tokens(1);
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(tokens.kid.clone());
        let mut claims = serde_json::json!({
            "iss": ISSUER, "user_id": bearer().user, "type": "access",
            "exp": NOW + 60, "iat": NOW, "jti": "x", "sid": uuid::Uuid::from_bytes([2; 16]).to_string(),
        });
        let good = encode(&header, &claims, &tokens.signing).unwrap();
        assert_eq!(tokens.judge(&good, NOW), Ok(bearer()));
        for (name, wrong) in [
            ("exp", serde_json::json!("1900000000")),
            ("exp", serde_json::json!(1.9e9)),
            ("exp", serde_json::Value::Null),
            ("iat", serde_json::json!("1")),
            ("type", serde_json::json!("refresh")),
            ("iss", serde_json::json!("someone else")),
            ("sid", serde_json::json!("not an id")),
        ] {
            let kept = std::mem::replace(&mut claims[name], wrong);
            let forged = encode(&header, &claims, &tokens.signing).unwrap();
            assert_eq!(tokens.judge(&forged, NOW), Err(BadToken::Claims), "{name}");
            claims[name] = kept;
        }
    }

    #[test]
    fn a_header_that_points_to_keys_or_names_another_algorithm_is_refused() {
        let tokens = tokens(1);
        let claims = serde_json::json!({});
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(tokens.kid.clone());
        header.jku = Some("https://evil.example/keys".to_owned());
        let pointing = encode(&header, &claims, &tokens.signing).unwrap();
        assert_eq!(tokens.judge(&pointing, NOW), Err(BadToken::Header));
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(tokens.kid.clone());
        let confused = encode(&header, &claims, &EncodingKey::from_secret(b"public key")).unwrap();
        assert_eq!(tokens.judge(&confused, NOW), Err(BadToken::Header));
        assert_eq!(tokens.judge("eyJhbGciOiJub25lIn0.e30.", NOW), Err(BadToken::Header));
        assert_eq!(tokens.judge("", NOW), Err(BadToken::Header));
    }
}
