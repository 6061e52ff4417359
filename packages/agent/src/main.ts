#!/usr/bin/env node
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer, Logger } from "effect"
import { Command } from "effect/cli"
import { JournalLogger } from "./commands/JournalLogger.ts"
import { PatelaAgent } from "./commands/PatelaAgent.ts"
import { VERSION } from "./Version.ts"

Command.run(PatelaAgent, { version: VERSION }).pipe(
  Effect.provide(Layer.mergeAll(NodeServices.layer, Logger.layer([JournalLogger]))),
  NodeRuntime.runMain
)
