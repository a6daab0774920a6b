//! `POST /v1/node-types/{type}/options/{parameter}`

use function::{Problem, QueryContext, query};
use kernel::{Object, codes};
use node::{Choice, Field, Form, Input, NodeForm};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::get_node_type::find;
use crate::document::suggest;
use crate::observer::Publishing;
use crate::options::{OptionLoaders, OptionsRequest};

/// Which parameter of which node type.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct OptionsPath {
    /// Name of the node type.
    #[schemars(length(min = 1, max = 200))]
    r#type: String,
    /// Name of the parameter.
    #[schemars(length(min = 1, max = 200))]
    parameter: String,
}

/// What is wanted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WantedOptions {
    /// Part of what a value or its label is called.
    #[schemars(length(max = 1_000))]
    search: String,
    /// The other parameters as they are now.
    parameters: Object,
    /// Values at most, 1 to 200; 50 unless given.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u16>,
}

/// Values a parameter can take.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Options {
    /// The values, those most probably meant first.
    items: Vec<Choice>,
    /// Whether there are more than were asked for.
    more: bool,
}

/// Values a parameter can take now, such as the workflows there are to call.
#[query(POST "/v1/node-types/{type}/options/{parameter}", permission = crate::READ)]
pub(super) async fn list_options(
    cx: &QueryContext,
    path: OptionsPath,
    body: WantedOptions,
) -> Result<Options, Problem> {
    let kind = find(&cx.service::<Publishing>().registry, &path.r#type)?;
    let form = kind.form();
    let field = field(&form, &path.parameter)?;
    let limit = usize::from(body.limit.unwrap_or(50).clamp(1, 200));
    let mut items = match (&field.options_from, &field.input) {
        (Some(name), _) => {
            let loader = cx.service::<OptionLoaders>().find(name)?;
            let request = OptionsRequest {
                workspace: cx.workspace(),
                search: body.search.replace('\0', ""),
                parameters: body.parameters,
                limit: limit + 1,
            };
            loader.load(&mut *cx.tx().await, &request).await?
        }
        (None, Input::Choice { options }) => fitting(options, &body.search),
        (None, _) => return Err(no_options(&path)),
    };
    let more = items.len() > limit;
    items.truncate(limit);
    Ok(Options { items, more })
}

/// The words whose value or label holds the text.
fn fitting(options: &[Choice], search: &str) -> Vec<Choice> {
    let search = search.to_lowercase();
    let fits = |choice: &&Choice| {
        choice.value.to_lowercase().contains(&search)
            || choice.label.to_lowercase().contains(&search)
    };
    options.iter().filter(fits).cloned().collect()
}

fn field<'a>(form: &'a NodeForm, name: &str) -> Result<&'a Field, Problem> {
    let fields: Vec<&Field> = fields(&form.form).collect();
    fields.iter().find(|field| field.name == name).copied().ok_or_else(|| {
        let known = fields.iter().map(|field| field.name.as_str());
        let detail = format!("There is no parameter \"{name}\"; {}", suggest(name, known));
        Problem::new(codes::REQUEST_NOT_FOUND, detail)
    })
}

fn fields(form: &Form) -> impl Iterator<Item = &Field> {
    let variants = form.variants.iter().flat_map(|variants| &variants.of);
    form.fields.iter().chain(variants.flat_map(|variant| &variant.fields))
}

fn no_options(path: &OptionsPath) -> Problem {
    let OptionsPath { r#type, parameter } = path;
    let detail = format!("\"{parameter}\" of {type} has no list of values; type one in.");
    Problem::new(codes::REQUEST_NOT_FOUND, detail)
}
