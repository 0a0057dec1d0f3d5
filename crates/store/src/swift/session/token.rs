//! Requests for tokens, and what is in the answers of Identity v2.0 and Keystone v3.

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::swift::SwiftAuth;

/// What an identity service granted.
pub(super) struct FromCatalogue {
    pub(super) token: String,
    /// ISO 8601.
    pub(super) expires: Option<String>,
    /// Public endpoints of object stores.
    pub(super) endpoints: Vec<Endpoint>,
}

pub(super) struct Endpoint {
    region: String,
    url: String,
}

pub(super) fn request(http: &Client, auth: &SwiftAuth) -> RequestBuilder {
    match auth {
        SwiftAuth::V1 { url, user, key } => {
            http.get(url).header("X-Auth-User", user).header("X-Auth-Key", key.reveal())
        }
        SwiftAuth::V2Password { url, username, password, tenant_name, tenant_id } => {
            let mut body = json!({"passwordCredentials": {"username": username, "password": password.reveal()}});
            if let Some(name) = tenant_name {
                body["tenantName"] = json!(name);
            }
            if let Some(id) = tenant_id {
                body["tenantId"] = json!(id);
            }
            post(http, url, "tokens", &body)
        }
        SwiftAuth::Rackspace { url, username, api_key } => {
            let credentials = json!({"username": username, "apiKey": api_key.reveal()});
            post(http, url, "tokens", &json!({"RAX-KSKEY:apiKeyCredentials": credentials}))
        }
        SwiftAuth::V3Password { url, username, password, user_domain, project, project_domain } => {
            let user = json!({"name": username, "password": password.reveal(), "domain": {"name": user_domain}});
            let body = json!({
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": {"name": project, "domain": {"name": project_domain}}},
            });
            post(http, url, "auth/tokens", &body)
        }
        SwiftAuth::V3ApplicationCredential { url, id, secret } => {
            let credential = json!({"id": id, "secret": secret.reveal()});
            let body = json!({
                "identity": {"methods": ["application_credential"], "application_credential": credential},
            });
            post(http, url, "auth/tokens", &body)
        }
    }
}

fn post(http: &Client, url: &str, path: &str, auth: &Value) -> RequestBuilder {
    http.post(format!("{}/{path}", url.trim_end_matches('/'))).json(&json!({"auth": auth}))
}

/// Reads `POST /v2.0/tokens`.
pub(super) fn v2(answer: &Value) -> Option<FromCatalogue> {
    let access = &answer["access"];
    let endpoints =
        object_stores(&access["serviceCatalog"]).filter_map(|endpoint| read_endpoint(endpoint, "publicURL")).collect();
    Some(FromCatalogue { token: text(&access["token"]["id"])?, expires: text(&access["token"]["expires"]), endpoints })
}

/// Reads `POST /v3/auth/tokens`, whose token is in a header.
pub(super) fn v3(token: String, answer: &Value) -> Option<FromCatalogue> {
    let details = answer.get("token")?;
    let endpoints = object_stores(&details["catalog"])
        .filter(|endpoint| endpoint["interface"] == "public")
        .filter_map(|endpoint| read_endpoint(endpoint, "url"))
        .collect();
    Some(FromCatalogue { token, expires: text(&details["expires_at"]), endpoints })
}

/// The URL of the region; without one, of the only one.
pub(super) fn choose<'a>(endpoints: &'a [Endpoint], region: Option<&str>) -> Result<&'a str, String> {
    let regions = || endpoints.iter().map(|endpoint| endpoint.region.as_str()).collect::<Vec<_>>().join(", ");
    match (region, endpoints) {
        (_, []) => Err("the service catalogue has no public object store".to_owned()),
        (Some(region), _) => endpoints
            .iter()
            .find(|endpoint| endpoint.region.eq_ignore_ascii_case(region))
            .map(|endpoint| endpoint.url.as_str())
            .ok_or_else(|| format!("there is no object store in the region `{region}`, but in: {}", regions())),
        (None, [only]) => Ok(&only.url),
        (None, _) => Err(format!("`region` must name one of the object store's regions: {}", regions())),
    }
}

fn object_stores(catalogue: &Value) -> impl Iterator<Item = &Value> {
    let services = catalogue.as_array().into_iter().flatten();
    services
        .filter(|service| service["type"] == "object-store")
        .flat_map(|service| service["endpoints"].as_array().into_iter().flatten())
}

fn read_endpoint(endpoint: &Value, url: &str) -> Option<Endpoint> {
    let region = text(&endpoint["region"]).or_else(|| text(&endpoint["region_id"])).unwrap_or_default();
    Some(Endpoint { region, url: text(&endpoint[url])? })
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints() -> Vec<Endpoint> {
        let answer = json!({"access": {
            "token": {"id": "t", "expires": "2026-11-23T14:00:00Z"},
            "serviceCatalog": [
                {"type": "rax:object-cdn", "endpoints": [{"region": "DFW", "publicURL": "https://cdn"}]},
                {"type": "object-store", "endpoints": [
                    {"region": "DFW", "publicURL": "https://dfw", "internalURL": "https://snet-dfw"},
                    {"region": "LON", "publicURL": "https://lon"},
                ]},
            ],
        }});
        v2(&answer).expect("a token").endpoints
    }

    #[test]
    fn the_region_chooses_the_object_store() {
        let endpoints = endpoints();
        assert_eq!(choose(&endpoints, Some("lon")), Ok("https://lon"));
        assert_eq!(choose(&endpoints[..1], None), Ok("https://dfw"));
        let problem = choose(&endpoints, None).expect_err("two regions");
        assert!(problem.contains("DFW, LON"), "{problem}");
        assert!(choose(&endpoints, Some("SYD")).is_err());
        assert!(choose(&[], None).is_err());
    }

    #[test]
    fn keystone_gives_several_interfaces_of_which_one_is_public() {
        let answer = json!({"token": {"expires_at": "2026-11-23T14:00:00.000000Z", "catalog": [
            {"type": "object-store", "endpoints": [
                {"interface": "internal", "region_id": "one", "url": "https://internal"},
                {"interface": "public", "region_id": "one", "url": "https://public"},
            ]},
        ]}});
        let granted = v3("t".to_owned(), &answer).expect("a token");
        assert_eq!(choose(&granted.endpoints, None), Ok("https://public"));
        assert_eq!(granted.expires.as_deref(), Some("2026-11-23T14:00:00.000000Z"));
    }

    #[test]
    fn odd_answers_grant_nothing() {
        assert!(v2(&json!({"access": {}})).is_none());
        assert!(v2(&json!([])).is_none());
        assert!(v3("t".to_owned(), &json!({"error": "x"})).is_none());
    }
}
