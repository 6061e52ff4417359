import { Effect, Schema } from "effect"
import { readFileSync } from "node:fs"

/** What a tier came to. Each failure is a line for a person: file, test, and the first line of what went wrong. */
export interface Outcome {
  readonly passed: number
  readonly failures: ReadonlyArray<string>
}

const TestCase = Schema.Struct({
  fullName: Schema.String,
  status: Schema.Literals(["passed", "failed", "skipped", "pending", "todo", "disabled"]),
  failureMessages: Schema.NullOr(Schema.Array(Schema.String))
})

/** The part of vitest's JSON report that counts (its format is jest's). */
const VitestReport = Schema.fromJsonString(Schema.Struct({
  success: Schema.Boolean,
  testResults: Schema.Array(Schema.Struct({
    name: Schema.String,
    status: Schema.Literals(["passed", "failed"]),
    message: Schema.String,
    assertionResults: Schema.Array(TestCase)
  }))
}))

const firstLine = (text: string): string => text.trim().split("\n", 1)[0] ?? ""

/** A tier that cannot be counted has failed as a whole. */
export const failedWhole = (why: string): Outcome => ({ passed: 0, failures: [why] })

/**
 * What a report says. Skipped tests are no passes. A tier that left no report, or that failed outside its tests, has one
 * failure more.
 */
export const readReport = (report: string, exitCode: number): Effect.Effect<Outcome> =>
  Effect.try(() => readFileSync(report, "utf8")).pipe(
    Effect.flatMap(Schema.decodeEffect(VitestReport)),
    Effect.map(({ success, testResults }) => {
      const failures = testResults.flatMap(({ assertionResults, message, name, status }) => {
        const bad = assertionResults.filter((test) => test.status !== "passed").map((test) =>
          `${name} > ${test.fullName}: ${firstLine(test.failureMessages?.[0] ?? test.status)}`
        )
        return bad.length === 0 && status === "failed" ? [`${name}: ${firstLine(message)}`] : bad
      })
      const tests = testResults.flatMap(({ assertionResults }) => assertionResults)
      const passed = tests.filter(({ status }) => status === "passed").length
      const unexplained = failures.length === 0 && (exitCode !== 0 || !success || passed === 0)
      return { passed, failures: unexplained ? [`failed outside its tests, exit code ${exitCode}`] : failures }
    }),
    Effect.orElseSucceed(() => failedWhole(`left no report, exit code ${exitCode}`))
  )
