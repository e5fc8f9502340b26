//! What the documented API (v0) takes at most; its figures are its own and hold on its paths only.

use super::ConfigError;

/// What the documented API (v0) takes at most.
#[derive(Clone, Debug, clap::Args)]
pub struct V0 {
    /// Bytes of a request's body of the documented API (v0)
    #[arg(long, env = "MAX_CONTENT_LENGTH", value_name = "BYTES", default_value_t = V0::default().max_content_length)]
    pub max_content_length: u64,
    /// v0: codes asked for by one network address in an hour
    #[arg(long, env = "WAXD_V0_OTP_PER_IP", value_name = "N", default_value_t = V0::default().v0_otp_per_ip)]
    pub v0_otp_per_ip: u32,
    /// v0: sign-ins tried by one network address in an hour
    #[arg(long, env = "WAXD_V0_LOGINS_PER_IP", value_name = "N", default_value_t = V0::default().v0_logins_per_ip)]
    pub v0_logins_per_ip: u32,
    /// v0: uploads of one account in an hour
    #[arg(long, env = "WAXD_V0_UPLOADS_PER_HOUR", value_name = "N", default_value_t = V0::default().v0_uploads_per_hour)]
    pub v0_uploads_per_hour: u32,
    /// v0: every other call of one caller in an hour
    #[arg(long, env = "WAXD_V0_CALLS_PER_HOUR", value_name = "N", default_value_t = V0::default().v0_calls_per_hour)]
    pub v0_calls_per_hour: u32,
    /// v0: every other call of one caller in a day
    #[arg(long, env = "WAXD_V0_CALLS_PER_DAY", value_name = "N", default_value_t = V0::default().v0_calls_per_day)]
    pub v0_calls_per_day: u32,
}

impl V0 {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match self.max_content_length {
            0 => Err(ConfigError::Figure("MAX_CONTENT_LENGTH of 0 bytes would refuse every upload")),
            _ => Ok(()),
        }
    }
}

impl Default for V0 {
    fn default() -> Self {
        Self {
            max_content_length: proto::v0::BODY_MAX,
            v0_otp_per_ip: 5,
            v0_logins_per_ip: 10,
            v0_uploads_per_hour: 20,
            v0_calls_per_hour: 50,
            v0_calls_per_day: 200,
        }
    }
}
