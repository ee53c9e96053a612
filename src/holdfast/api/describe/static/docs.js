"use strict";
// Shows openapi.json. Everything enters the page as text, never as markup, and nothing is loaded from elsewhere.

const METHODS = ["get", "post", "put", "patch", "delete"];
let spec = null;

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

function resolve(schema) {
  if (!schema || !schema.$ref) return schema || {};
  return schema.$ref.slice(2).split("/").reduce((found, part) => found[part], spec);
}

function typeName(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.map(String).join(" | ");
  if (schema.anyOf) return schema.anyOf.map(typeName).join(" | ");
  if (schema.type === "array") return `${typeName(schema.items || {})}[]`;
  const types = [].concat(schema.type || "any").join(" | ");
  return schema.format ? `${types} (${schema.format})` : types;
}

function limits(schema) {
  return ["minimum", "maximum", "minLength", "maxLength", "pattern", "default"]
    .filter((key) => schema[key] !== undefined)
    .map((key) => `${key} ${JSON.stringify(schema[key])}`)
    .join(", ");
}

function table(heads, rows) {
  const body = rows.map((row) => element("tr", {}, ...row.map((cell) => element("td", {}, cell))));
  return element("table", {}, element("tr", {}, ...heads.map((head) => element("th", {}, head))), ...body);
}

function fieldTable(reference) {
  const schema = resolve(reference);
  if (!schema.properties) return element("p", {}, typeName(reference));
  const required = new Set(schema.required || []);
  return table(["Field", "Type", "Rules"], Object.entries(schema.properties).map(([name, field]) => [
    required.has(name) ? `${name} *` : name,
    typeName(field),
    [limits(field), field.description || ""].filter(Boolean).join("; "),
  ]));
}

function schemaOf(content) {
  const media = Object.values(content || {})[0];
  return media ? media.schema : null;
}

function exampleOf(reference) {
  const schema = resolve(reference);
  if (schema.example !== undefined) return schema.example;
  const made = {};
  for (const [name, field] of Object.entries(schema.properties || {})) {
    if ((schema.required || []).includes(name)) made[name] = (field.examples || [""])[0];
  }
  return made;
}

function parameterTable(parameters) {
  return table(["Parameter", "In", "Type", "About"], parameters.map((each) => [
    each.name, each.in, typeName(each.schema || {}), each.description || limits(each.schema || {}),
  ]));
}

function responseList(responses) {
  return Object.entries(responses).map(([status, response]) => {
    const schema = schemaOf(response.content);
    return element("details", {}, element("summary", {}, `${status}: ${response.description || ""}`),
      schema ? fieldTable(schema) : null);
  });
}

async function send(method, path, body, output) {
  output.hidden = false;
  const target = new URL(path, location.origin);
  if (target.origin !== location.origin) {
    output.textContent = "Not sent: the token belongs to this server.";
    return;
  }
  const headers = {};
  const token = document.getElementById("token").value.trim();
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== null) headers["Content-Type"] = "application/json";
  try {
    const answer = await fetch(target, { method, headers, body, credentials: "omit" });
    const text = await answer.text();
    output.textContent = `${answer.status} ${answer.headers.get("etag") || ""}\n${pretty(text)}`;
  } catch (error) {
    output.textContent = `No answer: ${error.message}`;
  }
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

function tryIt(method, path, bodySchema) {
  const address = element("input", { value: path, "aria-label": "Path and query" });
  const body = bodySchema ? element("textarea", { rows: 8, "aria-label": "Body" }) : null;
  if (body) body.value = JSON.stringify(exampleOf(bodySchema), null, 2);
  const output = element("pre", { hidden: "" });
  const go = () => send(method, address.value, body ? body.value : null, output);
  return element("div", {}, element("h4", {}, "Try it"), address, body,
    element("button", { type: "button", onclick: go }, "Send"), output);
}

function operationView(method, path, operation, shared) {
  const parameters = [...shared, ...(operation.parameters || [])];
  const bodySchema = operation.requestBody ? schemaOf(operation.requestBody.content) : null;
  const view = element("details", { "data-words": `${method} ${path} ${operation.summary || ""}`.toLowerCase() },
    element("summary", {}, element("span", { class: "method" }, method.toUpperCase()),
      element("code", {}, path), operation.summary || ""));
  // Filled when it is opened: a deployment may have hundreds.
  view.addEventListener("toggle", () => {
    view.append(element("p", {}, operation.description || ""));
    if (parameters.length) view.append(parameterTable(parameters));
    if (bodySchema) view.append(element("h4", {}, "Body"), fieldTable(bodySchema));
    view.append(element("h4", {}, "Answers"), ...responseList(operation.responses));
    view.append(tryIt(method.toUpperCase(), path, bodySchema));
  }, { once: true });
  return view;
}

function show() {
  document.getElementById("title").textContent = `${spec.info.title} API ${spec.info.version}`;
  document.getElementById("about").textContent = spec.info.description || "";
  const groups = new Map();
  for (const [path, item] of Object.entries(spec.paths)) {
    for (const method of METHODS.filter((name) => item[name])) {
      const tag = (item[method].tags || ["other"])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operationView(method, path, item[method], item.parameters || []));
    }
  }
  const sections = [...groups].map(([tag, views]) => element("section", {}, element("h2", {}, tag), ...views));
  document.getElementById("operations").replaceChildren(...sections);
}

function find(event) {
  const word = event.target.value.trim().toLowerCase();
  for (const view of document.querySelectorAll("[data-words]")) {
    view.hidden = word !== "" && !view.dataset.words.includes(word);
  }
}

document.getElementById("find").addEventListener("input", find);
fetch("openapi.json", { credentials: "omit" })
  .then((answer) => answer.json())
  .then((document_) => { spec = document_; show(); })
  .catch((error) => { document.getElementById("operations").textContent = `No description: ${error.message}`; });
