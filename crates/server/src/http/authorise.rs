//! Who may do what (spec 04 §§5–7). Every handler that touches a file holds an [`Authority`], and only [`authorise`] makes one.

use std::time::SystemTime;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::header;
use stowage_catalogue::App;
use stowage_core::{
    handle::Handle,
    policy::{Call, PatternAnchoring, Policy, PolicyError},
    query::Query,
};

use super::{ApiError, context::RequestContext, cors, routes::Needs};

/// What a request brought to prove its authority.
#[derive(Clone, Default)]
pub struct Credentials {
    policy: Option<String>,
    signature: Option<String>,
    /// Password of HTTP Basic user `app`.
    password: Option<String>,
}

impl Credentials {
    /// From the query and the `Authorization` header.
    pub fn of_request(context: &RequestContext) -> Self {
        let mut credentials = Self { password: basic_password(context), ..Self::default() };
        credentials.add_fields(&context.query);
        credentials
    }

    /// Takes `policy` and `signature` from body fields where the query had none.
    pub fn add_fields(&mut self, fields: &Query) {
        let field = |name| fields.get(name).map(str::to_owned);
        if self.policy.is_none() && self.signature.is_none() {
            self.policy = field("policy");
            self.signature = field("signature");
        }
    }

    /// A policy from the path or from a JSON body wins over the query (spec 02 §3.3).
    pub fn set_policy(&mut self, policy: String, signature: String) {
        self.policy = Some(policy).filter(|text| !text.is_empty());
        self.signature = Some(signature).filter(|text| !text.is_empty());
    }
}

fn basic_password(context: &RequestContext) -> Option<String> {
    let (scheme, encoded) = context.header(header::AUTHORIZATION)?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    (user == "app").then(|| password.to_owned())
}

/// The proof that a request may go on, and within which bounds.
pub enum Authority {
    /// The app demands none for this call.
    Unsecured,
    /// HTTP Basic with the app's secret: everything.
    Owner,
    /// What the policy allows.
    Policy(Box<Policy>),
}

/// Checks credentials against what a route demands (spec 04 §7, steps 2–7). For [`Needs::ByTask`] pass the calls of the tasks as [`Needs::WhenSecured`].
pub fn authorise(
    context: &RequestContext,
    app: &App,
    needs: Needs,
    credentials: &Credentials,
) -> Result<Authority, ApiError> {
    cors::check_origin(context, app)?;
    if credentials.password.as_deref().is_some_and(|password| app.secret.matches(password)) {
        return Ok(Authority::Owner);
    }
    let calls = match needs {
        Needs::Nothing | Needs::IfGiven | Needs::Upload(_) => {
            return Err(ApiError::internal("a route without needs asked for an authority"));
        }
        Needs::WhenSecured(_) | Needs::ByTask if !app.settings.security => return Ok(Authority::Unsecured),
        Needs::WhenSecured(calls) | Needs::Always(calls) => calls,
        Needs::ByTask => &[],
    };
    let policy = verified(context, app, credentials)?;
    if !calls.is_empty() {
        policy.allow_any(calls)?;
    }
    Ok(Authority::Policy(Box::new(policy)))
}

/// Checks the policy of a request that needs none ([`Needs::IfGiven`]), if it brought one.
pub fn check_given(context: &RequestContext, app: &App, credentials: &Credentials) -> Result<(), ApiError> {
    cors::check_origin(context, app)?;
    if credentials.policy.is_none() && credentials.signature.is_none() {
        return Ok(());
    }
    verified(context, app, credentials).map(drop)
}

/// Checks the policy of a request about an upload that has begun ([`Needs::Upload`]), if it brought one. That it expired meanwhile is no
/// harm: expiry is judged when the upload begins, so that long ones survive (spec 03 §11).
pub fn check_upload(context: &RequestContext, app: &App, credentials: &Credentials) -> Result<(), ApiError> {
    cors::check_origin(context, app)?;
    let Needs::Upload(calls) = context.route.needs else {
        return Err(ApiError::internal("a route that is not about an upload"));
    };
    let gave_none = credentials.policy.is_none() && credentials.signature.is_none();
    if !app.settings.security || gave_none || calls.is_empty() {
        return Ok(());
    }
    match verified(context, app, credentials) {
        Ok(policy) => Ok(policy.allow_any(calls)?),
        Err(error) if error.code == "policy_expired" => Ok(()),
        Err(error) => Err(error),
    }
}

fn verified(context: &RequestContext, app: &App, credentials: &Credentials) -> Result<Policy, ApiError> {
    let (Some(policy), Some(signature)) = (&credentials.policy, &credentials.signature) else {
        return Err(PolicyError::Missing.into());
    };
    let anchoring = if context.server.config.security.strict_patterns {
        PatternAnchoring::Strict
    } else {
        PatternAnchoring::Compatible
    };
    Ok(Policy::verify(&app.secret, policy, signature, unix_now(), anchoring)?)
}

fn unix_now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

impl Authority {
    fn check(&self, check: impl FnOnce(&Policy) -> Result<(), PolicyError>) -> Result<(), ApiError> {
        match self {
            Self::Unsecured | Self::Owner => Ok(()),
            Self::Policy(policy) => check(policy).map_err(ApiError::from),
        }
    }

    /// One of the calls must be allowed.
    pub fn allow_any(&self, calls: &[Call]) -> Result<(), ApiError> {
        self.check(|policy| policy.allow_any(calls))
    }

    /// Only the bound file may be touched.
    pub fn check_handle(&self, handle: &Handle) -> Result<(), ApiError> {
        self.check(|policy| policy.check_handle(handle))
    }

    /// A new file may be made there (spec 04 §3: `handle`, `path`, `container`).
    pub fn check_new_file(&self, path: Option<&str>, container: &str) -> Result<(), ApiError> {
        self.check(|policy| {
            policy.check_may_create()?;
            policy.check_path(path)?;
            policy.check_container(container)
        })
    }

    /// A source URL may be used.
    pub fn check_url(&self, url: &str) -> Result<(), ApiError> {
        self.check(|policy| policy.check_url(url))
    }

    /// An object behind an alias may be read. It has no handle, so a policy that is bound to one does not cover it.
    pub fn check_alias(&self, url: &str) -> Result<(), ApiError> {
        self.check_url(url)?;
        self.check(Policy::check_may_create)
    }

    /// Smallest and largest file allowed, bytes.
    pub fn size_bounds(&self) -> (Option<u64>, Option<u64>) {
        match self {
            Self::Unsecured | Self::Owner => (None, None),
            Self::Policy(policy) => (policy.min_size(), policy.max_size()),
        }
    }
}
