#!/usr/bin/env node
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { agentExitCodes } from "./commands/agentExitCodes.ts"
import { PatelaAgent } from "./commands/PatelaAgent.ts"

NodeRuntime.runMain(PatelaAgent, { disableErrorReporting: true, teardown: agentExitCodes })
