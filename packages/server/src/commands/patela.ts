import * as NodeServices from "@effect/platform-node/NodeServices"
import { tellFailure } from "@patela/domain/command/tellFailure"
import { usagePresenter } from "@patela/domain/command/usagePresenter"
import { Effect } from "effect"
import { Command } from "effect/cli"
import { audit } from "./audit.ts"
import { backup } from "./backup.ts"
import { doctor } from "./doctor.ts"
import { family } from "./family.ts"
import { keygen } from "./keygen.ts"
import { list } from "./list.ts"
import { migrate } from "./migrate.ts"
import { network } from "./network.ts"
import { node } from "./node.ts"
import { enable } from "./nodeState.ts"
import { policy } from "./policy.ts"
import { pool } from "./pool.ts"
import { relay } from "./relay.ts"
import { restore } from "./restore.ts"
import { rollout } from "./rollout.ts"
import { run } from "./run.ts"
import { torrc } from "./torrc.ts"
import { watch } from "./watch.ts"

const root = Command.make("patela").pipe(
  Command.withDescription(
    "The server of Patela: configures machines that run Tor relays. DATABASE_URL says where its data is: sqlite:PATH or postgres://USER:PASSWORD@HOST/NAME"
  ),
  Command.withSubcommands([
    run,
    list,
    watch,
    enable,
    node,
    policy,
    relay,
    pool,
    network,
    family,
    torrc,
    rollout,
    audit,
    doctor,
    backup,
    restore,
    migrate,
    keygen
  ])
)

/** The command `patela`, with the arguments of this process. */
export const patela = root.pipe(
  Command.run({ version: "0.1.0" }),
  Effect.tapCause(tellFailure("patela")),
  Effect.provide([NodeServices.layer, usagePresenter("patela")])
)
