//! Scripts.

use oxc_allocator::Allocator;
use oxc_codegen::{Codegen, CodegenOptions, CommentOptions, LegalComment};
use oxc_compat::EngineTargets;
use oxc_diagnostics::OxcDiagnostic;
use oxc_minifier::{
    CompressOptions, CompressOptionsKeepNames, MangleOptions, MangleOptionsKeepNames, Minifier, MinifierOptions,
};
use oxc_parser::Parser;
use oxc_span::SourceType;
use serde::{Deserialize, Serialize};

use crate::MinifyError;

/// What may change in a script (spec 12 §10).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Functions keep the names that they can be asked for.
    pub keep_fn_name: bool,
    /// Classes keep them.
    pub keep_class_name: bool,
    /// Local names become short.
    pub mangle: bool,
    /// Declarations that follow each other become one.
    pub merge_vars: bool,
    /// Calls of `console` go.
    pub remove_console: bool,
    /// Browsers (`> 0.25%, not dead`): nothing is written in a way that they do not know. What the script itself uses stays.
    pub targets: Option<String>,
}

/// A smaller script that does the same. What is no module keeps the names of its outermost scope, since other scripts of the page
/// can use them. Comments with a licence stay.
///
/// # Errors
/// The first syntax error, or `targets` that are no query.
pub fn js(text: &str, options: &Options) -> Result<String, MinifyError> {
    let options = Minifier::new(minifier_options(options)?);
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, text, SourceType::unambiguous()).parse();
    if let Some(error) = parsed.diagnostics.first() {
        return Err(syntax_error(text, error));
    }
    let mut program = parsed.program;
    let minified = options.minify(&allocator, &mut program);
    let comments = CommentOptions { legal: LegalComment::Inline, ..CommentOptions::disabled() };
    let written = Codegen::new()
        .with_options(CodegenOptions { comments, ..CodegenOptions::minify() })
        .with_scoping(minified.scoping)
        .with_private_member_mappings(minified.class_private_mappings)
        .build(&program);
    Ok(written.code)
}

fn minifier_options(options: &Options) -> Result<MinifierOptions, MinifyError> {
    let target = match &options.targets {
        Some(query) => EngineTargets::try_from_query(query).map_err(|_| MinifyError::Parameter("targets"))?,
        None => EngineTargets::default(),
    };
    let &Options { keep_fn_name: function, keep_class_name: class, .. } = options;
    let compress = CompressOptions {
        target,
        drop_console: options.remove_console,
        join_vars: options.merge_vars,
        keep_names: CompressOptionsKeepNames { function, class },
        ..CompressOptions::smallest()
    };
    let mangle = MangleOptions { keep_names: MangleOptionsKeepNames { function, class }, ..MangleOptions::default() };
    Ok(MinifierOptions { mangle: options.mangle.then_some(mangle), mangle_properties: None, compress: Some(compress) })
}

fn syntax_error(text: &str, error: &OxcDiagnostic) -> MinifyError {
    let offset = error.labels.first().map_or(0, |label| label.offset() as usize);
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    MinifyError::Syntax { line, column, reason: error.message.to_string() }
}
