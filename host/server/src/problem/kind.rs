//! The catalogue of problems. A slug is a promise: programs decide by it, so it is never renamed or reused.

use axum::http::StatusCode;

macro_rules! kinds {
    ($($name:ident = $status:literal $slug:literal, $title:literal, $explanation:literal;)+) => {
        /// A kind of problem.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind { $(#[doc = $title] $name),+ }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Kind] = &[$(Kind::$name),+];

            /// Its name in `type`.
            pub fn slug(self) -> &'static str {
                match self { $(Kind::$name => $slug),+ }
            }

            /// A few words that stay the same.
            pub fn title(self) -> &'static str {
                match self { $(Kind::$name => $title),+ }
            }

            /// What its page says.
            pub fn explanation(self) -> &'static str {
                match self { $(Kind::$name => $explanation),+ }
            }

            fn code(self) -> u16 {
                match self { $(Kind::$name => $status),+ }
            }
        }
    };
}

kinds! {
    // Any request.
    NotFound = 404 "not-found", "There is no such thing",
        "It does not exist, or it belongs to another tenant: the two look the same on purpose. Check the id and the tenant.";
    MethodNotAllowed = 405 "method-not-allowed", "This path takes other methods",
        "The `Allow` header says which methods the path takes.";
    BadHeader = 400 "bad-header", "A header is missing or does not fit",
        "`header` names it, `detail` says what would fit.";
    UnsupportedMediaType = 415 "unsupported-media-type", "The body must be JSON",
        "Send the body as JSON with `Content-Type: application/json`.";
    MalformedJson = 400 "malformed-json", "The body is not JSON",
        "`detail` gives the line and the column at which reading stopped.";
    DuplicateKey = 422 "duplicate-key", "A key stands twice",
        "An object that names a key twice has two readings. What is signed and approved here must have one.";
    Invalid = 422 "invalid", "A field does not fit",
        "`field` is the JSON pointer (RFC 6901) of the field at fault, `parameter` the name of the query parameter. Unknown \
         fields are refused too: a misspelt option would be ignored silently otherwise. Nothing was changed.";
    BodyTooLarge = 413 "body-too-large", "The body is too large",
        "`limit_bytes` is the most that this server takes. Split the request.";
    LengthRequired = 411 "length-required", "The size must be announced",
        "Artifacts are sent with `Content-Length`, so that one that was cut short is noticed.";
    TimedOut = 504 "timed-out", "It took too long",
        "The server stopped waiting. What was asked for may still be done: repeat the request with the same \
         `Idempotency-Key` to learn what came of it.";
    Internal = 500 "internal", "Something broke inside",
        "Not your fault. Give `trace_id` to whoever runs the server. A request that changes something may be repeated with \
         the same `Idempotency-Key`.";

    // Who asks.
    Unauthenticated = 401 "unauthenticated", "Who are you?",
        "Send `Authorization: Bearer` with a key (`ilk_…`) that is known, not expired and not revoked, or with an access token of an \
         identity provider that your tenant knows.";
    NonceReplayed = 401 "nonce-replayed", "It was sent before",
        "A signed request counts once. Sign it again with a new `nonce`; with the same `Idempotency-Key` it is still done once.";
    SignatureRequired = 403 "signature-required", "This must be signed",
        "The operator wants this operation signed (RFC 9421) with a registered key. See `docs/identity.md`.";
    AddressRefused = 403 "address-refused", "Not from there",
        "A tenant or a key may be used from its networks alone, and `detail` says where you come from. Behind a proxy that the \
         server does not trust, everybody comes from the proxy: its operator sets `http.trusted_proxies`.";
    RateLimited = 429 "rate-limited", "Too often",
        "`limit` says what is counted; `RateLimit` says how much is left, and `Retry-After` when there is more. Nothing was \
         done.";
    LoginRefused = 401 "login-refused", "You cannot log in with this",
        "The answer is the same whatever is wrong: the name, the password, the code, or the account. After some failures in a \
         row no password and no code is tried for a while; a passkey is.";
    ClockOff = 503 "clock-off", "The clock of this server is not right",
        "A signature says when it was given. The time server that the operator named says that this server's clock is too far off, or \
         does not answer. Nothing was signed, and nothing that was shown is used up.";
    ProviderRefused = 401 "provider-refused", "This login at the identity provider does not count here",
        "It was not begun in this browser, was used, is over, or the provider's answer is not what it should be: `detail` says \
         which. Log in again.";
    NotLinked = 403 "not-linked", "You have no account here yet",
        "The identity provider knows you, and no account here that may log in is linked to you. An administrator links it: \
         `interlock account link`, with `issuer` and `subject`.";
    InvitationRefused = 401 "invitation-refused", "The invitation does not work",
        "It is none, was followed already, or is over. An administrator makes a new one: POST …/accounts/{id}/enrolment.";
    CrossSite = 403 "cross-site", "This did not come from our own page",
        "With a session's cookie, whatever changes something carries `X-CSRF-Token`, as the login answered it and `GET /v1/me` \
         does, and comes from a page of this server.";
    OnlyInPerson = 403 "only-in-person", "Only a person who is logged in signs",
        "API keys, programs and links never sign. Log in and sign in that session.";
    FullSignatureRequired = 401 "full-signature-required", "This signature takes two components",
        "The first signature of a session takes a passkey, or the password and a code; so does one after a pause, from another \
         address, or after some hours. What is signed is still waiting: send it again with both.";
    SignatureRefused = 401 "signature-refused", "This does not prove who signs",
        "The passkey, password or code does not fit, was used before, or what was to be signed is over. Begin again with \
         `POST …/signatures/intent`. After three failures in a row the login is locked.";
    OutOfScope = 403 "out-of-scope", "The key is not for this",
        "A key is for reading, writing or administration, whatever its account may do. `missing` names the scope.";
    Denied = 403 "denied", "The policies say no",
        "`reasons` says why, `policies` names the policies that decided, and `decision` is the recorded decision, which can \
         be read and replayed. `GET …/changes/{id}/explain` says what would have to happen.";

    // Doing it once, and on what was read.
    IdempotencyKeyMissing = 400 "idempotency-key-missing", "An idempotency key is missing",
        "Every POST that changes something carries `Idempotency-Key`: any text of your choice that is new for each \
         thing that you want done. Repeating the request with the same key does it once.";
    IdempotencyKeyReused = 422 "idempotency-key-reused", "The idempotency key was used for something else",
        "The same key came with another body or for another path. Draw a new key for each thing that you want done.";
    IdempotencyInProgress = 409 "idempotency-in-progress", "The first sending is still being done",
        "A request with this key is being handled. Repeat it after a moment to get its answer.";
    IdempotencyAnswerLost = 409 "idempotency-answer-lost", "It was done, and its answer is lost",
        "The server did what the first sending asked for and stopped before it could keep the answer. `detail` names what \
         it made or altered: read that. Sending it again with a new key would do it twice.";
    Stale = 412 "stale", "It was changed since you read it",
        "The revision in `If-Match` is not the current one, which is in `current`. Read it again, decide again.";
    Conflict = 409 "conflict", "Somebody else was faster",
        "It was changed between reading and writing. Nothing of this request was done. Read it again and repeat.";
    Exists = 409 "exists", "There is one already",
        "Names are taken once. Use another, or use what is there.";

    // Rules of a change.
    WrongState = 409 "wrong-state", "It is not in a state for that",
        "A change goes one way: gates, approvals, rollout. `detail` says where it is.";
    OtherDigest = 409 "other-digest", "You answered to another digest",
        "Approvals bind to the exact content that was read. The change was revised since: read it again.";
    SelfApproval = 403 "self-approval", "Nobody approves their own change",
        "The author of a change cannot approve it: with no role, no account, no program of theirs and no delegation, and nobody on \
         their behalf. Ask somebody else. `decision` is the recorded decision, where the policies said so.";
    OwnRequest = 409 "own-request", "Nobody answers to their own request",
        "Whoever makes a request for access, answers for the program that made it, or is the one whom it is about, cannot \
         approve or reject it. Ask somebody else.";
    NotTheAuthor = 409 "not-the-author", "Only its author may do that",
        "A change is revised by whoever proposed it. Ask them, or propose a change of your own.";
    NotAPerson = 409 "not-a-person", "Only persons approve",
        "Service accounts propose and operate; they cannot take responsibility.";
    SecondPersonNeeded = 409 "second-person-needed", "It takes a second administrator",
        "Keys and roles with which somebody approves or administers take two: one hands them out, another confirms. Ask an \
         administrator who is neither.";
    AlreadyApproved = 409 "already-approved", "You approved this already",
        "One person counts once for a digest. Another person has to approve.";
    Expired = 409 "approval-expired", "Its time is over",
        "The change was not admitted in time, by the clock of the server. Propose it again.";
    OutOfTurn = 409 "out-of-turn", "Another level comes before",
        "The levels of the approval profile are ordered. `before` names the one whose turn it is; `GET …/changes/{id}/explain` \
         says who could fill it.";
    Unsigned = 409 "signature-needed", "The level counts signed approvals only",
        "Approve with an electronic signature. `level` names the level of the approval profile that asks for it.";
    StageOver = 409 "stage-over", "The stage was entered already",
        "An approval for one stage is given before the rollout enters it.";
    DelegationNotUsable = 409 "delegation-not-usable", "The delegation is not for this",
        "`detail` says why: it is for somebody else, for another environment, revoked or over, or whoever made it does not hold \
         the roles any more.";
    SecondToBreak = 409 "second-to-break", "It takes a second person",
        "You broke the glass already. It is broken when somebody else, who is not the author either, does so too.";
    OtherHandOut = 409 "other-hand-out", "Something else was handed out meanwhile",
        "What you read of the account is not what it is by now. Read it again, ask the person whose it is, and confirm with the new `hold.digest`.";
    LastAdministrator = 409 "last-administrator", "Nobody else administers the tenant",
        "Give another account the role `administrator`, have it confirmed, and try again. Whoever lost all administrators makes a key on the \
         server's machine: `interlock key create --local`.";
    SafetyToBreak = 409 "safety-to-break", "One of the two answers for safety",
        "Of the two people who break the glass one holds `clinical_safety` or `regulatory` there. Ask somebody who does.";
    OwnIncident = 403 "own-incident", "Whoever broke the glass does not review that",
        "Ask somebody who was not one of the two.";
    AlreadyReviewed = 409 "already-reviewed", "Somebody reviewed it already",
        "An incident is reviewed once. `detail` says by whom.";
    NoReason = 422 "no-reason", "A reason is missing",
        "Why somebody did something belongs to the record. Say it in `reason`.";
    SkippedStage = 409 "skipped-stage", "A stage would be skipped",
        "The strategy asked for a stage that is not the next one of the plan that was approved.";
    NotSettled = 409 "not-settled", "Targets are still under way",
        "The strategy asked to complete while targets are not settled.";
    BadManifest = 422 "bad-manifest", "The proposal does not hold together",
        "What the change would do cannot be written down with one digest; `detail` says why.";
    RosterMovedOn = 409 "roster-moved-on", "The plugins in use have changed since",
        "Another change altered what this one was made for. `detail` names both; look at the roster and propose it again.";
    BadRoster = 422 "bad-roster", "What would be in use does not hold together",
        "`detail` names the plugin, binding or gate group at fault, and what to do.";
    NoSuchAction = 404 "no-such-action", "The device has no such action",
        "A device answered for an action that it was never given.";
    ActionClosed = 410 "action-closed", "The action is closed",
        "The device answered for an action that is over. What it said changes nothing.";
    ActionsExhausted = 409 "actions-exhausted", "The action numbers are used up",
        "Action numbers have 31 bits in the device protocol. Start a new tenant.";

    // Artifacts.
    CutShort = 422 "cut-short", "The artifact was cut short",
        "Fewer bytes came than were announced. Nothing was kept. Push it again.";
    LongerThanAnnounced = 422 "longer-than-announced", "The artifact is longer than announced",
        "More bytes came than were announced. Nothing was kept.";
    ArtifactTooLarge = 413 "artifact-too-large", "The artifact is too large",
        "`limit_bytes` is the most that this server takes; its operator can raise `artifacts.size_bytes_max`.";
    DigestMismatch = 422 "digest-mismatch", "The artifact is not what was announced",
        "The SHA-256 of what came is not the announced one. Nothing was kept. Check the file and push it again.";
    Interrupted = 400 "interrupted", "The artifact broke off",
        "The connection ended before the content did. Nothing was kept. Push it again.";
    RangeOutside = 416 "range-outside", "The range is outside the content",
        "Ask for a range inside the content.";
    LedgerUnsound = 500 "ledger-unsound", "The ledger does not hold together",
        "What is stored does not lead to what the log signed: it was altered, or the disk failed. Stop trusting the database, \
         keep a copy of it as it is, and find out what was altered: `interlock ledger verify`.";
    ContentDamaged = 500 "content-damaged", "Stored content is damaged",
        "Stored content does not decrypt to what was stored, so it is not handed out. Restore it from a backup or push it \
         again.";

    // Plugins and policies.
    PluginUnusable = 409 "plugin-unusable", "A plugin cannot be used",
        "A plugin that this needs is not installed, or did not answer. Without its answer nothing proceeds.";
    PluginRefused = 422 "plugin-refused", "The plugin was refused",
        "The component imports what it may not, or does not fit its contract. `detail` says what.";
    BundleRefused = 422 "bundle-refused", "The policies were refused",
        "The bundle does not load or does not validate; the last good one stays in force. `faults` names file, line, column \
         and what is wrong, and shows the line with a caret below it.";

    // Not now.
    TooManyPending = 429 "too-many-pending", "Too many requests wait for an answer",
        "So many requests for access may wait at once, in all and about one subject. Have somebody answer them, or wait until \
         they expire.";
    Busy = 503 "busy", "Too much at once",
        "Too many requests wait. Repeat it after the seconds in `Retry-After`, with the same `Idempotency-Key`.";
    Stopping = 503 "stopping", "The server is stopping",
        "Repeat it with the same `Idempotency-Key`; another replica or the restarted server will answer.";
    AuditUnavailable = 503 "audit-unavailable", "Nothing can be recorded just now",
        "State and record are written in one transaction, and the database does not take it. What cannot be recorded is \
         not done.";
    IssuerUnreachable = 503 "issuer-unreachable", "The identity provider does not answer",
        "Whether your token is good cannot be told without the keys of whoever issued it. Repeat it after a moment.";
    OutcomeUnknown = 503 "outcome-unknown", "It may or may not have been done",
        "The connection to the database broke while it confirmed. Read before you repeat.";
}

impl Kind {
    /// Its status code.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Where its page is: the `type` of the problem.
    pub fn path(self) -> String {
        format!("/problems/{}", self.slug())
    }

    /// The kind with this slug.
    pub fn of_slug(slug: &str) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| kind.slug() == slug)
    }

    /// When to ask again, for those that pass by themselves.
    pub(super) fn retry_after_s(self) -> Option<u32> {
        match self {
            Kind::Busy | Kind::IdempotencyInProgress => Some(1),
            Kind::TooManyPending => Some(60),
            Kind::AuditUnavailable | Kind::IssuerUnreachable | Kind::OutcomeUnknown | Kind::Stopping => {
                Some(5)
            }
            _ => None,
        }
    }

    /// True when the same request may succeed later, so that its idempotency key must not be bound to this answer.
    pub fn is_passing(self) -> bool {
        self.status().is_server_error()
            || matches!(
                self,
                Kind::Conflict
                    | Kind::TooManyPending
                    | Kind::PluginUnusable
                    | Kind::OutOfScope
                    | Kind::AddressRefused
                    | Kind::SignatureRequired
                    | Kind::NonceReplayed
                    | Kind::RateLimited
                    | Kind::Interrupted
                    | Kind::IdempotencyInProgress
            )
    }
}
