//! The OpenAPI document: the annotations of the handlers, at every path and method of the route table.

use std::collections::BTreeMap;

use http::Method;
use utoipa::{
    OpenApi,
    openapi::{
        Object, PathItem, RefOr, Required, Schema, Type,
        path::{Operation as Description, Parameter, ParameterBuilder, ParameterIn},
    },
};

use crate::http::routes::{DELIVERY, Operation, ROUTES, Route};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Stowage",
        description = "Self-hosted file ingestion and delivery, wire-compatible with Filestack.",
        license(name = "Apache-2.0")
    ),
    paths(
        super::store::store_file,
        super::copy::copy_file,
        super::read::read_file,
        super::convert::convert_file,
        super::metadata::read_metadata,
        super::write::overwrite_file,
        super::remove::delete_file,
        super::prefetch::prefetch,
        super::multipart::start,
        super::multipart::announce_part,
        super::multipart::receive_part,
        super::multipart::commit_part,
        super::multipart::complete,
        super::tus::create,
        super::tus::read,
        super::tus::append,
        super::tus::cancel,
        super::process::process,
        super::deliver::deliver,
        super::operations::health,
        super::operations::ready,
        super::operations::metrics,
        super::operations::openapi
    ),
    components(schemas(super::answer::StoredFile, super::write::OverwrittenFile, super::operations::Health))
)]
struct Document;

/// The OpenAPI 3.1 document of this version, pretty-printed.
pub fn openapi_json() -> String {
    let mut document = Document::openapi();
    let mut annotated = BTreeMap::new();
    for item in document.paths.paths.values() {
        let described = [&item.get, &item.post, &item.put, &item.patch, &item.delete].into_iter().flatten();
        annotated.extend(described.filter_map(|described| Some((described.operation_id.clone()?, described.clone()))));
    }
    for route in ROUTES.iter().chain([&DELIVERY]) {
        let Some(described) = annotated.get(id(route.operation)) else { continue };
        let item = document.paths.paths.entry(route.pattern.to_owned()).or_default();
        for method in route.methods {
            if let Some(place @ None) = place_of(item, method) {
                *place = Some(moved(described, route, method));
            }
        }
    }
    document.to_pretty_json().unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
}

/// The `operation_id` in the annotation of its handler.
fn id(operation: Operation) -> &'static str {
    match operation {
        Operation::StoreFile => "storeFile",
        Operation::CopyFile => "copyFile",
        Operation::ReadFile => "readFile",
        Operation::ConvertFile => "convertFile",
        Operation::ReadMetadata => "readMetadata",
        Operation::OverwriteFile => "overwriteFile",
        Operation::DeleteFile => "deleteFile",
        Operation::Prefetch => "prefetch",
        Operation::StartUpload => "startUpload",
        Operation::AnnouncePart => "announcePart",
        Operation::ReceivePart => "receivePart",
        Operation::CommitPart => "commitPart",
        Operation::CompleteUpload => "completeUpload",
        Operation::CreateResumable => "createResumableUpload",
        Operation::ReadResumable => "readResumableUpload",
        Operation::AppendResumable => "appendResumableUpload",
        Operation::CancelResumable => "cancelResumableUpload",
        Operation::Process => "process",
        Operation::Deliver => "deliver",
        Operation::Health => "health",
        Operation::Ready => "ready",
        Operation::Metrics => "metrics",
        Operation::OpenApi => "openapi",
    }
}

fn place_of<'a>(item: &'a mut PathItem, method: &Method) -> Option<&'a mut Option<Description>> {
    match *method {
        Method::GET => Some(&mut item.get),
        Method::HEAD => Some(&mut item.head),
        Method::POST => Some(&mut item.post),
        Method::PUT => Some(&mut item.put),
        Method::PATCH => Some(&mut item.patch),
        Method::DELETE => Some(&mut item.delete),
        _ => None,
    }
}

/// The same operation at another path or for another method: an id of its own, and the parameters that the path has.
fn moved(described: &Description, route: &Route, method: &Method) -> Description {
    let place: String =
        route.pattern.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
    let mut moved = described.clone();
    moved.operation_id = Some(format!("{}_{}{place}", id(route.operation), method.as_str().to_ascii_lowercase()));
    let segments = route.pattern.split('/');
    let mut missing: Vec<&str> = segments.filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')).collect();
    let mut parameters = moved.parameters.take().unwrap_or_default();
    parameters.retain(|parameter| match parameter {
        RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Path => {
            let position = missing.iter().position(|name| *name == parameter.name);
            position.map(|position| missing.remove(position)).is_some()
        }
        _ => true,
    });
    parameters.extend(missing.into_iter().map(|name| RefOr::T(path_parameter(name))));
    moved.parameters = Some(parameters).filter(|parameters| !parameters.is_empty());
    moved
}

fn path_parameter(name: &str) -> Parameter {
    let text = RefOr::T(Schema::Object(Object::with_type(Type::String)));
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(text))
        .build()
}
