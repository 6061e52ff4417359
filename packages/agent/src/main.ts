#!/usr/bin/env node
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { exitCodes } from "@patela/domain/command/exitCodes"
import { PatelaAgent } from "./commands/PatelaAgent.ts"

NodeRuntime.runMain(PatelaAgent, { disableErrorReporting: true, teardown: exitCodes })
