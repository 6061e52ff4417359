import { assert, describe, it } from "@effect/vitest"
import type { Kind } from "@patela/domain/reconciler/Kind"
import { RelayName, userOf } from "@patela/domain/relay/RelayName"
import { Effect, Exit, Layer, Schema } from "effect"
import { AccountReader } from "../src/accounts/AccountReader.ts"
import { Accounts } from "../src/accounts/Accounts.ts"
import { type Group, parseGroups, parseUsers, type User } from "../src/accounts/AccountTables.ts"
import { AccountWriter, sysusersOf } from "../src/accounts/AccountWriter.ts"
import { desiredAccounts } from "../src/accounts/DesiredAccount.ts"
import { CommandFailed, HostCommand } from "../src/host/HostCommand.ts"
import type { LedgerReader } from "../src/ledger/LedgerReader.ts"
import type { LedgerWriter } from "../src/ledger/LedgerWriter.ts"
import { type Broken, CASES, FakeHost, kindLaws, namesOf, type World } from "./KindLaws.ts"
import { nodeInput, relayAt } from "./NodeInput.ts"
import { type Monitors, noMonitors } from "./NoMonitors.ts"

type Services = Monitors | AccountReader | AccountWriter | LedgerReader | LedgerWriter

const CHEESES = ["toma", "robiola", "brie", "gouda"]
const Relay = Schema.Struct({ name: Schema.Literals(CHEESES), slot: Schema.Literals([0, 1, 2, 3]) })
const Account = Schema.Struct({
  name: Schema.Literals([...CHEESES.map((name) => `_tor-${name}`), "visitor", "_tor-NotOurs"]),
  uid: Schema.Literals([777, 50_000, 50_001, 50_002, 50_003]),
  gid: Schema.Literals([777, 50_000, 50_001, 50_002, 50_003]),
  there: Schema.Literals(["user", "group", "both", "both, alike"]),
  owned: Schema.Boolean
})

interface Start {
  readonly relays: ReadonlyArray<typeof Relay.Type>
  readonly accounts: ReadonlyArray<typeof Account.Type>
}

/**
 * /etc/passwd and /etc/group in memory, with systemd-sysusers as it is: a number that is taken becomes another. It makes
 * no account of a broken relay; usermod and userdel fail for one.
 */
const worldOf = ({ accounts, relays }: Start) => (broken: Broken): World<Services> => {
  const users = new Map<string, User>()
  const groups = new Map<string, Group>()
  const owned = new Set<string>()
  for (const { gid, name, owned: isOwned, there, uid } of accounts) {
    const group = there === "both, alike" ? uid : gid
    if (there !== "group") users.set(name, { name, uid, gid: group, home: "/nowhere", shell: "/bin/sh" })
    if (there !== "user") groups.set(name, { name, gid: group })
    if (isOwned && CHEESES.includes(name.slice(5))) owned.add(name)
    else owned.delete(name)
  }
  const foreignUsers = [...users.keys()].filter((name) => !owned.has(name))
  const foreignGroups = [...groups.keys()].filter((name) => !owned.has(name))
  const host = new FakeHost({ accounts: namesOf([...owned].map((name) => name.slice(5))) })
  const mended = (relay: RelayName, program: string, change: Effect.Effect<void>) =>
    broken.has(relay)
      ? Effect.fail(
        new CommandFailed({ program, reason: "exit code", exitCode: 1, stderr: "", message: `${program} failed` })
      )
      : change
  // The number of an account that cannot be removed cannot be another relay's.
  const held = new Set([...broken].flatMap((relay) => [users.get(userOf(relay))?.uid, groups.get(userOf(relay))?.gid]))
  const waits = relays.filter(({ name, slot }) => held.has(50_000 + slot) && !broken.has(RelayName.make(name)))
  // An account that is right, and not Patela's to repair, wants no write; all that it lacks is that another goes.
  const isRight = ({ name, slot }: typeof Relay.Type) => {
    const [user, group] = [users.get(`_tor-${name}`), groups.get(`_tor-${name}`)]
    return [user?.uid, user?.gid, group?.gid].every((id) => id === 50_000 + slot) && !owned.has(`_tor-${name}`)
  }
  const excused = [...waits, ...relays.filter(isRight)]
  const free = (taken: ReadonlyArray<number>, id: number) => (taken.includes(id) ? 999 - taken.length : id)

  const layer = Layer.mergeAll(
    noMonitors,
    host.ledger(),
    Layer.succeed(AccountReader, {
      read: Effect.sync(() => ({ users: [...users.values()], groups: [...groups.values()] }))
    }),
    Layer.succeed(AccountWriter, {
      create: Effect.fnUntraced(function*(wanted) {
        for (const { home, id, relay, shell } of wanted) {
          const name = userOf(relay)
          if (broken.has(relay)) continue
          if (!groups.has(name)) {
            yield* host.write(() =>
              groups.set(name, { name, gid: free([...groups.values()].map(({ gid }) => gid), id) })
            )
          }
          if (!users.has(name)) {
            const uid = free([...users.values()].map((user) => user.uid), id)
            yield* host.write(() => users.set(name, { name, uid, gid: groups.get(name)?.gid ?? -1, home, shell }))
          }
        }
      }),
      repair: ({ relay, ...parts }) =>
        mended(
          relay,
          "usermod",
          host.write(() => {
            const user = users.get(userOf(relay))
            if (user !== undefined) users.set(user.name, { ...user, ...parts })
          })
        ),
      remove: Effect.fnUntraced(function*(relay, there) {
        yield* mended(relay, "userdel", Effect.void)
        if (there.user) yield* host.write(() => users.delete(userOf(relay)))
        if (there.group) yield* host.write(() => groups.delete(userOf(relay)))
      })
    })
  )
  return {
    host,
    layer,
    excused: new Set(excused.map(({ name }) => `relay/${name}/account`)),
    foreign: () => ({
      users: foreignUsers.map((name) => users.get(name)),
      groups: foreignGroups.map((name) => groups.get(name))
    })
  }
}

const kind: Kind<Services, Services> = Accounts

describe("accounts", () => {
  for (const { kills, runs, said } of CASES) {
    it.effect.prop(
      `the laws hold on any host, ${said}`,
      [Schema.Array(Relay), Schema.Array(Account)],
      ([relays, accounts]) => {
        const input = nodeInput(relays.map(({ name, slot }) => relayAt(slot, name)))
        return kindLaws(kind, input, worldOf({ accounts, relays }), undefined, kills)
      },
      runs
    )
  }

  it.effect("one relay's conflict is reported and the others are made", () =>
    Effect.gen(function*() {
      const accounts = [{ name: "visitor", uid: 50_001, gid: 777, there: "both", owned: false }] as const
      const relays = [{ name: "toma", slot: 0 }, { name: "robiola", slot: 1 }] as const
      const input = nodeInput(relays.map(({ name, slot }) => relayAt(slot, name)))
      const failed = yield* kindLaws(kind, input, worldOf({ accounts, relays }))
      assert.deepStrictEqual([...failed], ["relay/robiola/account"])
    }))

  it.effect("a right account whose number another had is right once that one went, also where nothing can be written", () =>
    Effect.gen(function*() {
      const relays = [{ name: "brie", slot: 0 }] as const
      const accounts = [
        { name: "_tor-brie", uid: 50_000, gid: 50_000, there: "both", owned: false },
        { name: "_tor-toma", uid: 50_003, gid: 50_000, there: "both", owned: true }
      ] as const
      assert.deepStrictEqual(
        [...yield* kindLaws(kind, nodeInput([relayAt(0, "brie")]), worldOf({ accounts, relays }))],
        []
      )
    }))

  it.effect("half an account of Patela's that is also otherwise than wanted is put right in one pass", () =>
    Effect.gen(function*() {
      const account = { name: "_tor-toma", uid: 50_003, gid: 50_003, owned: true } as const
      const relays = [{ name: "toma", slot: 3 }] as const
      for (const there of ["user", "group"] as const) {
        const world = worldOf({ accounts: [{ ...account, there }], relays })
        assert.deepStrictEqual([...yield* kindLaws(kind, nodeInput([relayAt(3, "toma")]), world)], [])
      }
    }))

  it.effect("missing accounts are made by one run of systemd-sysusers", () =>
    Effect.gen(function*() {
      const runs: Array<ReadonlyArray<string | undefined>> = []
      const command = Layer.succeed(HostCommand, {
        run: (program, args, options) =>
          Effect.sync(() => {
            runs.push([program, ...args, String(options?.stdin)])
            return ""
          }),
        attempt: () => Effect.die("not asked for"),
        ask: () => Effect.succeedNone
      })
      const wanted = desiredAccounts(nodeInput([relayAt(0, "toma"), relayAt(7, "brie")])).flatMap((resource) =>
        "value" in resource ? [resource.value] : []
      )
      const writer = Effect.flatMap(AccountWriter, ({ create }) => create(wanted))
      yield* Effect.provide(writer, AccountWriter.layer.pipe(Layer.provide(command)))
      assert.deepStrictEqual(runs, [["systemd-sysusers", "-", sysusersOf(wanted)]])
      assert.strictEqual(
        sysusersOf(wanted),
        "g _tor-toma 50000\n" +
          "u _tor-toma 50000:_tor-toma \"Tor relay toma\" /var/lib/tor-instances/toma /usr/sbin/nologin\n" +
          "g _tor-brie 50007\n" +
          "u _tor-brie 50007:_tor-brie \"Tor relay brie\" /var/lib/tor-instances/brie /usr/sbin/nologin\n"
      )
    }))

  it("relays that share a slot are both refused", () => {
    const refused = desiredAccounts(nodeInput([relayAt(0, "toma"), relayAt(0, "brie"), relayAt(1, "gouda")]))
    assert.deepStrictEqual(refused.map((resource) => "refused" in resource), [true, true, false])
  })

  it.effect.prop(
    "any text is decoded or refused by line, and never shown",
    [Schema.String],
    ([text]) =>
      Effect.gen(function*() {
        const secret = `x:${text}:$y$hash`
        for (const parse of [parseUsers, parseGroups]) {
          const exit = yield* Effect.exit(parse("/etc/passwd", `\n${secret}`))
          if (Exit.isSuccess(exit)) continue
          const { message } = yield* Effect.flip(parse("/etc/passwd", `\n${secret}`))
          assert.match(message, /^\/etc\/passwd, line \d+ /)
          assert.notInclude(message, "$y$hash")
        }
      })
  )

  it.effect("reads what Debian writes", () =>
    Effect.gen(function*() {
      const passwd =
        "root:x:0:0:root:/root:/bin/bash\n+nis::::::\n\n_tor-toma:x:50000:50000:Tor relay toma:/h:/usr/sbin/nologin\n"
      assert.deepStrictEqual(yield* parseUsers("passwd", passwd), [
        { name: "root", uid: 0, gid: 0, home: "/root", shell: "/bin/bash" },
        { name: "_tor-toma", uid: 50_000, gid: 50_000, home: "/h", shell: "/usr/sbin/nologin" }
      ])
      assert.deepStrictEqual(yield* parseGroups("group", "adm:x:4:a,b\n"), [{ name: "adm", gid: 4 }])
      const broken = yield* Effect.flip(parseUsers("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nx:x:-1:0:::\n"))
      assert.include(broken.message, "/etc/passwd, line 2 ")
    }))
})
