// The documentation of the API: reads the OpenAPI document of this server and shows it.
// The API key lives in one variable of this page and goes nowhere but into the calls made here.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];
const state = { document: null, functions: [], key: "", filled: new Map() };
const $ = (id) => document.getElementById(id);

/** Makes an element: properties, then children (texts or elements). */
function el(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "class") element.className = value;
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(9).filter((child) => child !== null && child !== undefined));
  return element;
}

/** `code`, and paragraphs between empty lines. */
function prose(text) {
  return (text || "").split(/\n\s*\n/).filter(Boolean).map((paragraph) => el("p", {}, inline(paragraph)));
}

function inline(text) {
  return text.split(/(`[^`]*`)/).map((part) =>
    part.startsWith("`") && part.endsWith("`") && part.length > 1 ? el("code", {}, part.slice(1, -1)) : part);
}

function resolve(value) {
  const seen = new Set();
  while (value && value.$ref && !seen.has(value.$ref)) {
    seen.add(value.$ref);
    const path = value.$ref.slice(2).split("/");
    value = path.reduce((at, key) => at && at[key.replace(/~1/g, "/").replace(/~0/g, "~")], state.document);
  }
  return value || {};
}

// ---- the list on the left

function readFunctions(document) {
  const functions = [];
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of METHODS) {
      const operation = item[method];
      if (operation) functions.push({ path, method, id: operation.operationId, tag: operation.tags[0], operation });
    }
  }
  return functions;
}

function matches(one, words) {
  const text = [one.id, one.path, one.method, one.operation.summary, one.tag, one.operation["x-permission"]]
    .join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

function grouped(functions) {
  const groups = new Map(state.document.tags.map((tag) => [tag.name, []]));
  for (const one of functions) groups.get(one.tag)?.push(one);
  // What people come for stands before what the server says of itself.
  const last = (name) => (name === "system" ? 2 : name === "hooks" ? 1 : 0);
  return [...groups].filter(([, members]) => members.length).sort(([a], [b]) => last(a) - last(b));
}

function link(one, text) {
  return el("a", { href: `#/${one.id}`, title: one.operation.summary, "aria-current": current() === one.id ? "page" : null },
    el("span", { class: `method ${one.method}` }, one.method.toUpperCase()), el("span", {}, text));
}

/** `list_api_keys` reads "List api keys". */
function called(one) {
  const words = one.id.replace(/_/g, " ").replace(/\bapi\b/g, "API").replace(/\bopenapi\b/g, "OpenAPI");
  return words[0].toUpperCase() + words.slice(1);
}

function showList() {
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = state.functions.filter((one) => matches(one, words));
  const groups = grouped(found).map(([tag, members]) => [el("h2", {}, tag.replace(/-/g, " ")), members.map((one) => link(one, called(one)))]);
  $("list").replaceChildren(...(found.length ? groups.flat(2) : [el("p", { class: "none" }, "Nothing is called like this.")]));
}

// ---- schemas

function typeOf(schema) {
  const named = schema.$ref ? schema.$ref.split("/").pop() : null;
  const full = resolve(schema);
  if (full.const !== undefined) return JSON.stringify(full.const);
  if (full.enum) return full.enum.map((value) => JSON.stringify(value)).join(" | ");
  const choices = full.oneOf || full.anyOf;
  if (choices) {
    const types = [...new Set(choices.map(typeOf))];
    return types.length > 6 ? named || "one of several" : types.join(" | ");
  }
  const kind = [].concat(full.type || "any").join(" | ");
  if (kind.includes("array") && full.items) return `list of ${typeOf(full.items)}`;
  if (kind === "object" && named) return named;
  return full.format ? `${kind} (${full.format})` : kind;
}

function limits(schema) {
  const full = resolve(schema);
  const told = [];
  const range = (low, high, unit) => {
    if (full[low] !== undefined && full[high] !== undefined) told.push(`${full[low]} to ${full[high]}${unit}`);
    else if (full[low] !== undefined) told.push(`at least ${full[low]}${unit}`);
    else if (full[high] !== undefined) told.push(`at most ${full[high]}${unit}`);
  };
  range("minimum", "maximum", "");
  range("minLength", "maxLength", " characters");
  range("minItems", "maxItems", " entries");
  if (full.pattern) told.push(`matches ${full.pattern}`);
  if (full.default !== undefined && full.default !== null) told.push(`default ${JSON.stringify(full.default)}`);
  return told.join(" · ");
}

/** Schemas whose fields are worth showing below a field. */
function inner(schema) {
  const full = resolve(schema);
  if (full.properties) return [[null, schema]];
  if (full.items) return inner(full.items);
  if (full.additionalProperties && typeof full.additionalProperties === "object") return inner(full.additionalProperties);
  const choices = (full.oneOf || full.anyOf || full.allOf || []).filter((one) => resolve(one).properties);
  return choices.map((one) => [one.title || resolve(one).description || null, one]);
}

function field(name, schema, required, depth) {
  const full = resolve(schema);
  const below = depth < 8 ? inner(schema) : [];
  const more = below.length
    ? el("details", { ontoggle: (event) => fill(event.target, below, depth + 1) }, el("summary", {}, "fields"))
    : null;
  const constants = (full.oneOf || []).filter((one) => one.const !== undefined && one.description);
  return el("li", {},
    el("span", { class: "name" }, name),
    el("span", { class: "type" }, typeOf(schema)),
    required ? el("span", { class: "must" }, "required") : null,
    prose(schema.description || full.description),
    constants.map((one) => el("p", {}, el("code", {}, String(one.const)), " ", inline(one.description))),
    limits(schema) ? el("p", {}, limits(schema)) : null,
    more);
}

/** Fields are made when they are looked at: schemas may go in circles. */
function fill(details, below, depth) {
  if (!details.open || details.childElementCount > 1) return;
  details.append(...below.map(([title, schema]) => [title ? prose(title) : null, fields(schema, depth)]).flat(3).filter(Boolean));
}

function fields(schema, depth = 0) {
  const full = resolve(schema);
  const required = full.required || [];
  const list = Object.entries(full.properties || {}).map(([name, one]) => field(name, one, required.includes(name), depth));
  return el("ul", { class: "fields" }, list);
}

function shape(schema) {
  const full = resolve(schema);
  if (full.properties) return fields(schema);
  return el("ul", { class: "fields" }, field(typeOf(schema), schema, false, 0));
}

// ---- one function

function showFunction(one) {
  const { operation } = one;
  const parameters = (operation.parameters || []).map(resolve);
  const body = operation.requestBody && Object.entries(resolve(operation.requestBody).content);
  const chips = [operation["x-kind"], operation["x-permission"] && `scope ${operation["x-permission"]}`];
  const left = el("section", {},
    el("h1", {}, operation.summary),
    el("div", { class: "address" },
      el("span", { class: `method ${one.method}` }, one.method.toUpperCase()),
      el("span", {}, one.path.split(/(\{[^}]+\})/).map((part) => (part.startsWith("{") ? el("b", {}, part) : part)))),
    el("div", { class: "chips" }, chips.filter(Boolean).map((text) => el("span", { class: "chip" }, text))),
    el("div", { class: "text" }, prose(operation.description)),
    parameters.length ? [el("h2", {}, "Parameters"), el("ul", { class: "fields" }, parameters.map(parameterField))] : null,
    body ? [el("h2", {}, "Body", el("small", {}, body.map(([kind]) => kind).join(", "))), shape(body[0][1].schema || {})] : null,
    el("h2", {}, "Answers"), el("ul", { class: "answers" }, Object.entries(operation.responses).map(answer)));
  $("main").replaceChildren(el("div", { class: "function" }, left, el("section", {}, trial(one, parameters, body))));
}

function parameterField(parameter) {
  const schema = { ...resolve(parameter.schema), description: parameter.description };
  const name = parameter.in === "header" ? `${parameter.name} (header)` : parameter.name;
  return field(name, schema, parameter.required, 0);
}

function answer([status, response]) {
  const full = resolve(response);
  const media = full.content && full.content["application/json"];
  const schema = status < "300" && media && media.schema;
  return el("li", {},
    el("span", { class: `status ${status < "400" ? "good" : ""}` }, status),
    el("div", {}, el("p", {}, codes(full.description)), schema ? shape(schema) : null));
}

/** `workflow.cycle` leads to the page of the code. */
function codes(text) {
  return inline(text || "").map((part) => {
    const code = part instanceof HTMLElement ? part.textContent : "";
    return /^[a-z]+\.[a-z_]+$|^internal$/.test(code) ? el("a", { href: `/errors/${code}` }, part) : part;
  });
}

// ---- trying it out

function trial(one, parameters, body) {
  const kept = state.filled.get(one.id) || {};
  state.filled.set(one.id, kept);
  const inputs = parameters.map((parameter) => [parameter, input(parameter, kept)]);
  const kinds = body ? body.map(([kind]) => kind) : [];
  const kind = kinds.length > 1 ? el("select", { name: "media-type" }, kinds.map((name) => el("option", {}, name))) : null;
  const text = body ? el("textarea", { name: "body", spellcheck: "false" }) : null;
  if (text) text.value = kept.body ?? sample(body[0][1]);
  const curl = el("pre", {});
  const result = el("div", { class: "result", hidden: true, role: "status" });
  const read = () => {
    const call = { method: one.method.toUpperCase(), url: one.path, headers: {}, body: null };
    const query = [];
    for (const [parameter, element] of inputs) {
      kept[parameter.name] = element.value;
      if (parameter.in === "path") {
        call.url = call.url.replace(`{${parameter.name}}`, encodeURIComponent(element.value) || `{${parameter.name}}`);
      } else if (element.value !== "" && parameter.in === "query") {
        const values = isList(parameter) ? element.value.split(",") : [element.value];
        for (const value of values) query.push(`${parameter.name}=${encodeURIComponent(value.trim())}`);
      } else if (element.value !== "") call.headers[parameter.name] = element.value;
    }
    if (query.length) call.url += `?${query.join("&")}`;
    if (text) {
      kept.body = text.value;
      if (text.value.trim()) {
        call.body = text.value;
        call.headers["content-type"] = (kind ? kind.value : kinds[0]).replace("*/*", "application/json");
      }
    }
    if (needsKey(one)) call.headers.authorization = `Bearer ${state.key || "$FLOWFORGE_API_KEY"}`;
    return call;
  };
  const refresh = () => { curl.textContent = curlLine(read()); };
  const send = el("button", { type: "submit" }, "Send");
  const form = el("form", { class: "call", oninput: refresh, onchange: refresh, onsubmit: (event) => {
    event.preventDefault();
    perform(read(), send, result);
  } },
    el("h2", {}, "Try it"),
    inputs.map(([parameter, element]) => el("label", {},
      el("span", {}, parameter.name, parameter.required ? el("em", {}, " *") : null), element)),
    kind ? el("label", {}, "content-type", kind) : null,
    text ? el("label", { class: "tall" }, "body", text) : null,
    el("div", { class: "actions" }, send,
      needsKey(one) ? el("span", { class: "note", id: "note" }) : null));
  refresh();
  $("key").oninput = () => { state.key = $("key").value.trim(); refresh(); noteKey(); };
  queueMicrotask(noteKey);
  const copy = el("button", { class: "quiet", type: "button", onclick: () => navigator.clipboard?.writeText(curlLine(read())) }, "Copy");
  return el("div", { class: "try" }, form, el("div", { class: "curl" }, curl, copy), result);
}

function needsKey(one) {
  const security = one.operation.security || state.document.security;
  return security.some((choice) => choice.api_key);
}

function noteKey() {
  const note = $("note");
  if (note) note.textContent = state.key ? "" : "Enter an API key above first.";
}

function isList(parameter) {
  return [].concat(resolve(parameter.schema).type || []).includes("array");
}

function input(parameter, kept) {
  const schema = resolve(parameter.schema);
  const choices = schema.enum || (schema.oneOf || []).map((one) => one.const).filter((one) => one !== undefined)
    || [];
  const bool = [].concat(schema.type || []).includes("boolean");
  const options = choices.length ? choices : bool ? ["true", "false"] : null;
  const element = options
    ? el("select", { name: parameter.name }, el("option", { value: "" }, "—"), options.map((value) => el("option", {}, String(value))))
    : el("input", { name: parameter.name, autocomplete: "off", spellcheck: "false",
      required: parameter.in === "path",
      placeholder: schema.default !== undefined ? String(schema.default) : parameter.example ?? (isList(parameter) ? "a, b" : "") });
  element.value = kept[parameter.name] ?? "";
  return element;
}

function sample(media) {
  const example = media.example ?? (media.examples && Object.values(media.examples)[0]?.value);
  if (example === undefined) return "";
  return typeof example === "string" ? example : JSON.stringify(example, null, 2);
}

function curlLine(call) {
  const quote = (text) => `'${text.replace(/'/g, "'\\''")}'`;
  const parts = [`curl ${quote(location.origin + call.url)}`];
  if (call.method !== "GET") parts[0] = `curl -X ${call.method} ${quote(location.origin + call.url)}`;
  for (const [name, value] of Object.entries(call.headers)) {
    // The key itself is not put where it would be copied into notes and histories.
    const shown = name === "authorization" ? "\"authorization: Bearer $FLOWFORGE_API_KEY\"" : quote(`${name}: ${value}`);
    parts.push(`-H ${shown}`);
  }
  if (call.body !== null) parts.push(`--data-binary ${quote(call.body)}`);
  return parts.join(" \\\n  ");
}

async function perform(call, button, result) {
  button.disabled = true;
  const began = performance.now();
  try {
    const headers = { ...call.headers };
    if (headers.authorization && !state.key) delete headers.authorization;
    const response = await fetch(call.url, { method: call.method, headers, body: call.body, cache: "no-store", credentials: "omit" });
    const text = await response.text();
    showResult(result, response, text, performance.now() - began);
  } catch (error) {
    result.hidden = false;
    result.replaceChildren(el("p", { class: "said" }, `The server gave no answer: ${error.message}.`));
  } finally {
    button.disabled = false;
  }
}

function showResult(result, response, text, took) {
  let value;
  try { value = JSON.parse(text); } catch { value = undefined; }
  const problem = (response.headers.get("content-type") || "").startsWith("application/problem+json") && value;
  result.hidden = false;
  result.replaceChildren(
    el("div", { class: "line" },
      el("span", { class: `status ${response.ok ? "good" : ""}` }, `${response.status} ${response.statusText}`),
      el("span", {}, `${Math.round(took)} ms`), el("span", {}, `${new Blob([text]).size.toLocaleString("en")} bytes`)),
    problem ? el("p", { class: "said" }, value.detail, " ", el("a", { href: value.type }, value.code),
      (value.errors || []).map((place) => [el("br"), el("code", {}, place.pointer), ` ${place.detail}`])) : "",
    el("pre", { tabindex: "0", "aria-label": "Body of the answer" }, value === undefined ? text : colour(JSON.stringify(value, null, 2))),
    el("details", {}, el("summary", {}, "headers"), el("dl", {}, [...response.headers].map(([name, one]) => [el("dt", {}, name), el("dd", {}, one)]))));
}

function colour(json) {
  const token = /("(?:\\.|[^"\\])*")(\s*:)?|\b(true|false|null)\b|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/g;
  if (json.length > 200000) return json;
  const parts = [];
  let last = 0;
  for (const found of json.matchAll(token)) {
    parts.push(json.slice(last, found.index));
    const kind = found[1] ? (found[2] ? "k" : "s") : found[3] ? "b" : "n";
    parts.push(el("span", { class: kind }, found[1] || found[0]), found[2] || "");
    last = found.index + found[0].length;
  }
  return [...parts, json.slice(last)];
}

// ---- the first page, and going from one to another

function showOverview() {
  const cards = grouped(state.functions).map(([tag, members]) => el("article", { class: "card" },
    el("h3", {}, tag.replace(/-/g, " ")),
    prose(state.document.tags.find((one) => one.name === tag).description),
    el("ul", {}, members.map((one) => el("li", {}, link(one, one.operation.summary))))));
  $("main").replaceChildren(
    el("h1", {}, state.document.info.summary),
    el("div", { class: "lead" }, prose(state.document.info.description),
      el("p", {}, "Every error code has a ", el("a", { href: "/errors" }, "page"), "; the whole description is ",
        el("a", { href: "/v1/openapi.json" }, "OpenAPI 3.1"), " and ", el("a", { href: "/v1/openapi-3.0.json" }, "3.0"), ".")),
    el("div", { class: "cards" }, cards));
}

function current() {
  return decodeURIComponent(location.hash.replace(/^#\/?/, ""));
}

function show() {
  if (location.hash === "#main") return;
  const one = state.functions.find((known) => known.id === current());
  document.title = `${one ? one.operation.summary : "API"} · FlowForge`;
  if (one) showFunction(one); else showOverview();
  showList();
  $("side").classList.remove("open");
  $("menu").setAttribute("aria-expanded", "false");
  window.scrollTo(0, 0);
}

async function start() {
  $("search").addEventListener("input", showList);
  $("key").addEventListener("input", () => { state.key = $("key").value.trim(); });
  $("menu").addEventListener("click", () => {
    const open = $("side").classList.toggle("open");
    $("menu").setAttribute("aria-expanded", String(open));
  });
  $("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
  document.addEventListener("keydown", (event) => {
    const typing = /^(input|textarea|select)$/i.test(event.target.tagName);
    if (event.key === "/" && !typing) { event.preventDefault(); $("search").focus(); }
  });
  try {
    state.document = await (await fetch("/v1/openapi.json")).json();
  } catch (error) {
    $("main").replaceChildren(el("p", { class: "loading" }, `The description cannot be read: ${error.message}.`));
    return;
  }
  $("version").textContent = state.document.info.version;
  state.functions = readFunctions(state.document);
  window.addEventListener("hashchange", show);
  show();
}

start();
