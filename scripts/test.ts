import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect } from "effect"
import { spawn } from "node:child_process"
import { mkdirSync } from "node:fs"
import { DebianRoot } from "../test/src/rig/DebianRoot.ts"
import { sweepLeftovers } from "../test/src/rig/Leftovers.ts"
import { NodeContainer } from "../test/src/rig/NodeContainer.ts"
import { nodeBinary, repositoryRoot } from "../test/src/rig/Repository.ts"
import { TemporaryDirectory } from "../test/src/rig/TemporaryDirectory.ts"
import { failedWhole, type Outcome, readReport } from "./readReport.ts"

/**
 * Runs the tiers, or those named on the command line, and counts what ran:
 * pure (no root), host (namespaces and nodes on this machine), inside (as root in a throw-away node), and, only where it is
 * named, for it takes ten minutes by itself, faults (as host, with everything broken on purpose).
 */
const TIERS = ["pure", "host", "inside", "faults"] as const
type Tier = typeof TIERS[number]
const USUAL: ReadonlyArray<Tier> = ["pure", "host", "inside"]

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
  return yield* readReport(report, yield* here(nodeBinary, vitestArguments(tier, report)))
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
    { within: "20 minutes" }
  )
  yield* Console.log(stdout)
  if (exitCode !== 0) yield* Console.error(stderr)
  return yield* readReport(`${folder}/out/report.json`, exitCode)
}, Effect.scoped)

const runTier = (tier: Tier): Effect.Effect<Outcome> =>
  (tier === "inside" ? insideNode() : onThisMachine(tier)).pipe(
    Effect.catch((error) => Effect.succeed(failedWhole(error.message)))
  )

const told = Effect.fnUntraced(function*(tier: Tier) {
  yield* Console.log(`\n== ${tier} ==`)
  const { failures, passed } = yield* runTier(tier)
  yield* Console.log(`${tier}: ${passed} passed, ${failures.length} failed`)
  return { passed, failures: failures.map((failure) => `${tier}: ${failure}`) }
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
  const outcomes = (yield* Effect.forEach(groups, (group) => Effect.forEach(group, told, { concurrency: "unbounded" })))
    .flat()
  const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0)
  const failures = outcomes.flatMap((outcome) => outcome.failures)
  for (const tier of left) {
    const why = `${tier}: left out, it needs root (network namespaces and containers)`
    yield* Console.log(why)
    // Where everything is expected to run, what did not run has failed.
    if (process.env["CI"] === "true") failures.push(why)
  }
  // Again at the end: of a long output, the end is what is read and kept.
  for (const failure of failures) yield* Console.log(`FAILED ${failure}`)
  yield* Console.log(`\n${passed} passed, ${failures.length} failed`)
  yield* Effect.sync(() => {
    process.exitCode = failures.length === 0 && passed > 0 ? 0 : 1
  })
})

NodeRuntime.runMain(main)
