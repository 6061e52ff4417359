import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { patela } from "./patela.ts"
import { teardown } from "./teardown.ts"

NodeRuntime.runMain(patela, { disableErrorReporting: true, teardown })
