import { planSchema } from "@patela/agent/present/planSchema"
import { openApiDocument } from "@patela/domain/api/openApiDocument"
import { mkdirSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

/** Where the JSON Schemas of documents that commands print, and the OpenAPI document, are checked in. `npm run schemas` writes them anew. */
export const schemaFolder = fileURLToPath(new URL("../docs/schemas/", import.meta.url))

/** Each file of the folder, and what the code says stands in it. */
export const SCHEMAS: Readonly<Record<string, () => string>> = {
  "openapi.json": openApiDocument,
  "plan.v1.schema.json": planSchema
}

if (import.meta.main) {
  mkdirSync(schemaFolder, { recursive: true })
  for (const [file, text] of Object.entries(SCHEMAS)) writeFileSync(`${schemaFolder}${file}`, text())
}
