import { Effect } from "effect"
import { type BundleFailed, packageAgent, packageFolder } from "../../../scripts/package.ts"

/** Says to this process and those it starts that the agent is packaged, and may not be packaged again under their hands. */
const PACKAGED = "PATELA_TEST_PACKAGED"

/** The folder of the agent, packaged once. */
export const packagedAgent: Effect.Effect<string, BundleFailed> = Effect.suspend(() => {
  if (process.env[PACKAGED] === "1") return Effect.succeed(packageFolder)
  return Effect.map(packageAgent(packageFolder), () => {
    process.env[PACKAGED] = "1"
    return packageFolder
  })
})

/** Before the files of a tier, which run side by side in processes of their own. */
export const setup = async (): Promise<void> => {
  await Effect.runPromise(packagedAgent)
}
