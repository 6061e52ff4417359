import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Schema } from "effect"
import { spawn } from "node:child_process"
import { mkdirSync, readFileSync } from "node:fs"
import { DebianRoot } from "../test/src/rig/DebianRoot.ts"
import { sweepLeftovers } from "../test/src/rig/Leftovers.ts"
import { NodeContainer } from "../test/src/rig/NodeContainer.ts"
import { nodeBinary, repositoryRoot } from "../test/src/rig/Repository.ts"
import { TemporaryDirectory } from "../test/src/rig/TemporaryDirectory.ts"

/**
 * Runs the tiers, or those named on the command line, and counts what ran:
 * pure (no root), host (namespaces and nodes on this machine), inside (as root in a throw-away node), and, only where it is
 * named, for it takes ten minutes by itself, faults (as host, with everything broken on purpose).
 */
const TIERS = ["pure", "host", "inside", "faults"] as const
type Tier = typeof TIERS[number]
const USUAL: ReadonlyArray<Tier> = ["pure", "host", "inside"]

interface Count {
  readonly passed: number
  readonly failed: number
}

/** The part of vitest's JSON report that counts (its format is jest's). Skipped tests are no passes. */
const VitestReport = Schema.fromJsonString(Schema.Struct({
  numPassedTests: Schema.Int,
  numFailedTests: Schema.Int,
  numPendingTests: Schema.Int,
  success: Schema.Boolean
}))

const vitestArguments = (tier: Tier, report: string): ReadonlyArray<string> => [
  `${repositoryRoot}/node_modules/vitest/vitest.mjs`,
  "run",
  "--configLoader=native",
  "--project",
  tier,
  "--reporter=default",
  "--reporter=json",
  `--outputFile.json=${report}`
]

/** What a report says; a tier that left none, or that failed outside its tests, counts as one failure more. */
const countIn = (report: string, exitCode: number): Effect.Effect<Count> =>
  Effect.try(() => readFileSync(report, "utf8")).pipe(
    Effect.flatMap(Schema.decodeEffect(VitestReport)),
    Effect.map(({ numFailedTests, numPassedTests, numPendingTests, success }) => {
      const failed = numFailedTests + numPendingTests
      const unexplained = failed === 0 && (exitCode !== 0 || !success || numPassedTests === 0)
      return { passed: numPassedTests, failed: failed + (unexplained ? 1 : 0) }
    }),
    Effect.orElseSucceed(() => ({ passed: 0, failed: 1 }))
  )

const here = (program: string, args: ReadonlyArray<string>): Effect.Effect<number> =>
  Effect.callback<number>((resume) => {
    const child = spawn(program, args, { cwd: repositoryRoot, stdio: ["ignore", "inherit", "inherit"] })
    child.once("error", () => resume(Effect.succeed(127)))
    child.once("close", (code) => resume(Effect.succeed(code ?? 1)))
    return Effect.sync(() => child.kill("SIGTERM"))
  })

const onThisMachine = Effect.fnUntraced(function*(tier: Exclude<Tier, "inside">) {
  const folder = yield* TemporaryDirectory.make("report")
  const report = `${folder}/report.json`
  return yield* countIn(report, yield* here(nodeBinary, vitestArguments(tier, report)))
}, Effect.scoped)

/** The node sees the repository where it is here, read-only, so that its links hold. */
const insideNode = Effect.fnUntraced(function*() {
  yield* sweepLeftovers
  const folder = yield* TemporaryDirectory.make("report")
  yield* Effect.sync(() => mkdirSync(`${folder}/out`))
  const node = yield* NodeContainer.make({
    root: yield* DebianRoot.find(),
    hostname: "inside",
    binds: [
      { source: repositoryRoot, target: repositoryRoot },
      { source: `${folder}/out`, target: "/run/report", writable: true }
    ]
  })
  yield* node.boot
  const { exitCode, stderr, stdout } = yield* node.exec(
    [
      "env",
      `--chdir=${repositoryRoot}`,
      "FORCE_COLOR=0",
      nodeBinary,

      ...vitestArguments("inside", "/run/report/report.json")
    ],
    { within: "10 minutes" }
  )
  yield* Console.log(stdout)
  if (exitCode !== 0) yield* Console.error(stderr)
  return yield* countIn(`${folder}/out/report.json`, exitCode)
}, Effect.scoped)

const failedWhole = (tier: Tier) => (error: { readonly message: string }) =>
  Console.error(`${tier}: ${error.message}`).pipe(Effect.as<Count>({ passed: 0, failed: 1 }))

const runTier = (tier: Tier): Effect.Effect<Count> =>
  (tier === "inside" ? insideNode() : onThisMachine(tier)).pipe(Effect.catch(failedWhole(tier)))

const told = Effect.fnUntraced(function*(tier: Tier) {
  yield* Console.log(`\n== ${tier} ==`)
  const count = yield* runTier(tier)
  yield* Console.log(`${tier}: ${count.passed} passed, ${count.failed} failed`)
  return count
})

const isTier = (text: string): text is Tier => TIERS.some((tier) => tier === text)

const main = Effect.gen(function*() {
  const named = process.argv.slice(2).filter(isTier)
  const wanted = named.length > 0 ? named : USUAL
  const isRoot = process.geteuid?.() === 0
  const able = wanted.filter((tier) => tier === "pure" || isRoot)
  const left = wanted.filter((tier) => !able.includes(tier))
  // Both wait for systemd most of their time; inside is silent until its end.
  const sideBySide = able.filter((tier) => tier === "host" || tier === "inside")
  const groups = [able.filter((tier) => tier === "pure"), sideBySide, able.filter((tier) => tier === "faults")]
  const counts = yield* Effect.forEach(groups, (group) => Effect.forEach(group, told, { concurrency: "unbounded" }))
  const passed = counts.flat().reduce((sum, count) => sum + count.passed, 0)
  let failed = counts.flat().reduce((sum, count) => sum + count.failed, 0)
  for (const tier of left) {
    yield* Console.log(`${tier}: left out, it needs root (network namespaces and containers)`)
    // Where everything is expected to run, what did not run has failed.
    if (process.env["CI"] === "true") failed += 1
  }
  yield* Console.log(`\n${passed} passed, ${failed} failed`)
  yield* Effect.sync(() => {
    process.exitCode = failed === 0 && passed > 0 ? 0 : 1
  })
})

NodeRuntime.runMain(main)
