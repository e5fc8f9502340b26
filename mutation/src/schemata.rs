//! Rewrites a source file so that every change is in it, each behind a switch read from the environment.
//!
//! The text is kept as it is but for the expressions that change; operands are evaluated once, in their order.
//! What stands in a constant cannot ask the environment and is left out.

use std::collections::HashMap;
use std::ops::Range;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::Result;
use crate::mutants::Mutant;

/// The environment variable that names the change which is switched on.
pub const SWITCH: &str = "WAXWING_MUTANT";
/// What every crate gets at the end of its `lib.rs`.
pub const SWITCH_CODE: &str = r#"
#[doc(hidden)]
pub(crate) fn __mutant(id: u32) -> bool {
    static ON: std::sync::LazyLock<u32> = std::sync::LazyLock::new(|| {
        std::env::var("WAXWING_MUTANT").ok().and_then(|id| id.parse().ok()).unwrap_or(u32::MAX)
    });
    *ON == id
}
"#;

/// A rewritten file, and which of its bytes belong to which changes.
pub struct Rewritten {
    pub text: String,
    pub owners: Vec<(Range<usize>, Vec<usize>)>,
}

enum Piece {
    Text(String),
    Source(Range<usize>),
    Mutant(usize, Vec<Piece>),
}
use Piece::{Source, Text};

struct Site {
    range: Range<usize>,
    pieces: Vec<Piece>,
}

/// Rewrites `source` with those of `mutants` (by their ids) that `wanted` names.
pub fn rewrite(source: &str, mutants: &[(usize, &Mutant)]) -> Result<Rewritten> {
    let mut at = HashMap::<Range<usize>, Vec<(usize, &Mutant)>>::new();
    for &(id, mutant) in mutants {
        at.entry(mutant.range(source)).or_default().push((id, mutant));
    }
    let mut finder = Finder { source, at, sites: Vec::new() };
    finder.visit_file(&syn::parse_file(source)?);
    let mut sites = finder.sites;
    sites.sort_by_key(|site| (site.range.start, std::cmp::Reverse(site.range.end)));
    let mut rewritten = Rewritten { text: String::new(), owners: Vec::new() };
    rewritten.render(source, &sites, 0..source.len());
    Ok(rewritten)
}

impl Rewritten {
    fn render(&mut self, source: &str, sites: &[Site], range: Range<usize>) {
        let mut at = range.start;
        for site in sites {
            if site.range.start >= at && site.range.end <= range.end {
                self.text.push_str(&source[at..site.range.start]);
                let began = self.text.len();
                let mut ids = Vec::new();
                self.pieces(source, sites, &site.pieces, &mut ids);
                self.owners.push((began..self.text.len(), ids));
                at = site.range.end;
            }
        }
        self.text.push_str(&source[at..range.end]);
    }

    fn pieces(&mut self, source: &str, sites: &[Site], pieces: &[Piece], ids: &mut Vec<usize>) {
        for piece in pieces {
            match piece {
                Text(text) => self.text.push_str(text),
                Source(range) => self.render(source, sites, range.clone()),
                Piece::Mutant(id, inner) => {
                    let began = self.text.len();
                    self.pieces(source, sites, inner, ids);
                    self.owners.push((began..self.text.len(), vec![*id]));
                    ids.push(*id);
                }
            }
        }
    }
}

struct Finder<'m> {
    source: &'m str,
    at: HashMap<Range<usize>, Vec<(usize, &'m Mutant)>>,
    sites: Vec<Site>,
}

fn range(node: &impl Spanned) -> Range<usize> {
    node.span().byte_range()
}

fn on(id: usize) -> String {
    format!("crate::__mutant({id})")
}

fn text(text: impl Into<String>) -> Piece {
    Text(text.into())
}

/// Whether a condition binds names, so that it cannot be taken apart.
fn binds(expr: &syn::Expr) -> bool {
    match expr {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(both) => binds(&both.left) || binds(&both.right),
        _ => false,
    }
}

impl Finder<'_> {
    fn take(&self, range: &Range<usize>, genre: &str) -> Vec<(usize, String)> {
        let found = self.at.get(range).into_iter().flatten().filter(|(_, mutant)| mutant.genre == genre);
        found.map(|(id, mutant)| (*id, mutant.replacement.clone())).collect()
    }

    /// The beginning of a function's body returns the replacement.
    fn body(&mut self, signature: &syn::Signature, block: &syn::Block) {
        // What is returned early cannot be of another hidden type.
        if self.source[range(&signature.output)].contains("impl ") {
            return;
        }
        let (Some(first), Some(last)) = (block.stmts.first(), block.stmts.last()) else { return };
        let whole = range(first).start..range(last).end;
        let returns = |(id, value): (usize, String)| {
            Piece::Mutant(id, vec![text(format!(" if {} {{ return {value}; }} ", on(id)))])
        };
        let pieces: Vec<_> = self.take(&whole, "FnValue").into_iter().map(returns).collect();
        let inside = block.brace_token.span.open().byte_range().end;
        self.site(inside..inside, pieces);
    }

    fn site(&mut self, range: Range<usize>, pieces: Vec<Piece>) {
        if pieces.iter().any(|piece| matches!(piece, Piece::Mutant(..))) {
            self.sites.push(Site { range, pieces });
        }
    }
}

impl Visit<'_> for Finder<'_> {
    // What is constant is not entered.
    fn visit_item_const(&mut self, _: &syn::ItemConst) {}
    fn visit_impl_item_const(&mut self, _: &syn::ImplItemConst) {}
    fn visit_trait_item_const(&mut self, _: &syn::TraitItemConst) {}
    fn visit_item_static(&mut self, _: &syn::ItemStatic) {}
    fn visit_expr_const(&mut self, _: &syn::ExprConst) {}
    fn visit_type_array(&mut self, _: &syn::TypeArray) {}
    fn visit_generic_argument(&mut self, _: &syn::GenericArgument) {}
    fn visit_variant(&mut self, _: &syn::Variant) {}
    fn visit_pat(&mut self, _: &syn::Pat) {}

    fn visit_expr_repeat(&mut self, repeat: &syn::ExprRepeat) {
        self.visit_expr(&repeat.expr);
    }

    fn visit_item_fn(&mut self, item: &syn::ItemFn) {
        if item.sig.constness.is_none() {
            self.body(&item.sig, &item.block);
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &syn::ImplItemFn) {
        if item.sig.constness.is_none() {
            self.body(&item.sig, &item.block);
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_expr_binary(&mut self, both: &syn::ExprBinary) {
        let op = range(&both.op);
        let (left, right) = (Source(range(&*both.left)), Source(range(&*both.right)));
        let mut pieces = Vec::new();
        let replacements = self.take(&op, "BinaryOperator");
        let sign = self.source[op].to_string();
        if matches!(both.op, syn::BinOp::And(_) | syn::BinOp::Or(_)) {
            if let [(id, _)] = replacements[..]
                && !binds(&both.left)
                && !binds(&both.right)
            {
                // `a || b` goes on to `b` where `a` is false; `a && b`, where it is true.
                let same = if sign == "||" { "==" } else { "!=" };
                let asked = Piece::Mutant(id, vec![text(format!("if l {same} {}", on(id)))]);
                pieces.extend([text("(match "), left, text(" { l => "), asked]);
                pieces.extend([text(" { "), right, text(" } else { l } })")]);
            }
        } else if sign.ends_with('=') && !["==", "!=", "<=", ">="].contains(&sign.as_str()) {
            pieces.push(text("("));
            for (id, other) in replacements {
                let (left, right) = (Source(range(&*both.left)), Source(range(&*both.right)));
                let inner = vec![left, text(format!(" {other} ")), right];
                pieces.extend([text(format!("if {} {{ ", on(id))), Piece::Mutant(id, inner)]);
                pieces.push(text("; } else "));
            }
            pieces.extend([text("{ "), left, text(format!(" {sign} ")), right, text("; })")]);
        } else {
            let compares = ["==", "!=", "<=", ">=", "<", ">"].contains(&sign.as_str());
            let by = if compares { "&" } else { "" };
            pieces.extend([text(format!("(match ({by}(")), left, text(format!("), {by}("))]);
            pieces.extend([right, text(")) { (l, r) => ")]);
            for (id, other) in replacements {
                let inner = vec![text(format!("l {other} r"))];
                pieces.extend([text(format!("if {} {{ ", on(id))), Piece::Mutant(id, inner)]);
                pieces.push(text(" } else "));
            }
            pieces.push(text(format!("{{ l {sign} r }} }})")));
        }
        self.site(range(both), pieces);
        visit::visit_expr_binary(self, both);
    }

    fn visit_expr_unary(&mut self, unary: &syn::ExprUnary) {
        let op = range(&unary.op);
        let mut pieces = vec![text("(match "), Source(range(&*unary.expr)), text(" { v => ")];
        for (id, _) in self.take(&op, "UnaryOperator") {
            let inner = vec![text(format!("if {} {{ v }} else ", on(id)))];
            pieces.push(Piece::Mutant(id, inner));
        }
        let sign = if matches!(unary.op, syn::UnOp::Not(_)) { "!" } else { "-" };
        pieces.push(text(format!("{{ {sign}v }} }})")));
        self.site(range(unary), pieces);
        visit::visit_expr_unary(self, unary);
    }

    fn visit_expr_match(&mut self, choice: &syn::ExprMatch) {
        // An arm may only be switched off where another takes what is left.
        let takes_all = |arm: &syn::Arm| arm.guard.is_none() && matches!(arm.pat, syn::Pat::Wild(_));
        if !choice.arms.iter().any(takes_all) {
            for arm in &choice.arms {
                self.at.remove(&range(arm));
            }
        }
        visit::visit_expr_match(self, choice);
    }

    fn visit_arm(&mut self, arm: &syn::Arm) {
        let asked = |found: Vec<(usize, String)>, before: &str, after: &str| -> Vec<Piece> {
            let piece = |(id, _)| Piece::Mutant(id, vec![text(format!("{before}{}{after}", on(id)))]);
            found.into_iter().map(piece).collect()
        };
        let deleted = asked(self.take(&range(arm), "MatchArm"), "!", " && ");
        let mut pieces = vec![text(" if ")];
        pieces.extend(deleted);
        if let Some((token, guard)) = &arm.guard {
            let guard = range(&**guard);
            let (always, never): (Vec<_>, Vec<_>) =
                self.take(&guard, "MatchArmGuard").into_iter().partition(|(_, value)| value == "true");
            pieces.extend(asked(never, "!", " && "));
            pieces.push(text("("));
            pieces.extend(asked(always, "", " || "));
            pieces.extend([text("("), Source(guard.clone()), text("))")]);
            self.site(range(token).start..guard.end, pieces);
        } else {
            pieces.push(text("true"));
            let end = range(&arm.pat).end;
            self.site(end..end, pieces);
        }
        visit::visit_arm(self, arm);
    }
}
