//! A signed token of an identity provider (JWT) in the `Authorization` header.

use interlock_domain::TenantId;
use tracing::info;

use super::{Known, refused};
use crate::{
    App,
    flow::subject::{self, SubjectRefusal},
    issuers::JwtRefusal,
    problem::{Kind, Problem},
};

/// Longer texts are no tokens.
const TOKEN_MAX: usize = 8 << 10;

/// The token that was shown, before anything was looked at.
pub(super) struct Shown<'a>(&'a str);

/// The token, when the text has the form of one: three parts.
pub(super) fn shown(text: &str) -> Option<Shown<'_>> {
    let parts = text.split('.').count() == 3 && !text.starts_with("ilk_");
    (parts && text.len() <= TOKEN_MAX).then_some(Shown(text))
}

impl Shown<'_> {
    /// Who comes with it: to this tenant, or where no path names one to whichever has its issuer and knows them.
    pub(super) async fn known(self, app: &App, tenant: Option<&TenantId>) -> Result<Known, Problem> {
        let mut found = Err(SubjectRefusal::from(JwtRefusal::UnknownIssuer));
        for tenant in subject::tenants(app, tenant, self.0) {
            found = subject::authenticate(app, &tenant, self.0).await?;
            if found.is_ok() {
                break;
            }
        }
        match found {
            Ok((actor, scopes)) => Ok(Known::new(actor, scopes)),
            Err(refusal) => {
                info!(%refusal, "a token was refused");
                Err(match refusal {
                    SubjectRefusal::Token(JwtRefusal::NoKeys) => {
                        Problem::new(Kind::IssuerUnreachable, refusal.to_string())
                    }
                    // Only what the issuer signed gets so far, so its holder may know.
                    SubjectRefusal::Token(JwtRefusal::Claims(_))
                    | SubjectRefusal::Unlinked { .. }
                    | SubjectRefusal::Inactive
                    | SubjectRefusal::Ownerless => refused(&refusal.to_string()),
                    // Alike, so that nobody learns who issues tokens for whom.
                    SubjectRefusal::Token(_) => refused(
                        "this token does not work here; get a new one from your tenant's identity provider",
                    ),
                })
            }
        }
    }
}
