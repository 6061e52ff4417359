import { Schema } from "effect"
import { PlanDocument } from "./PlanDocument.ts"

/** The JSON Schema (2020-12) of what `diff --json` prints, as it stands in docs/schemas. */
export const planSchema = (): string => {
  const { definitions, schema } = Schema.toJsonSchemaDocument(PlanDocument)
  const document = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    ...schema,
    ...(Object.keys(definitions).length === 0 ? {} : { $defs: definitions })
  }
  return `${JSON.stringify(document, null, 2)}\n`
}
