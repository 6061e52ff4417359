import { Context, Deferred, Effect, Layer, Predicate, PubSub, RcRef, Schema, type Scope } from "effect"

/** The system bus did not answer, or said no. `name` is the D-Bus error's name, where there is one. */
export class BusFailed extends Schema.TaggedError<BusFailed>()("BusFailed", {
  name: Schema.NullOr(Schema.String),
  message: Schema.String
}) {}

export interface BusCall {
  readonly path: string
  readonly interface: string
  readonly member: string
  /** D-Bus signature of `body` (D-Bus specification, "Type system"). */
  readonly signature?: string
  readonly body?: ReadonlyArray<unknown>
}

/** A signal as it came, or that some may have been missed for the connection is gone. Bodies are not decoded yet. */
export type BusEvent =
  | { readonly event: "signal"; readonly path: string; readonly member: string; readonly body: unknown }
  | { readonly event: "lost" }

const SYSTEMD = "org.freedesktop.systemd1"
export const MANAGER_PATH = "/org/freedesktop/systemd1"
export const MANAGER = `${SYSTEMD}.Manager`

/** Milliseconds that systemd gets for one answer; jobs are waited for apart. */
const TIMEOUT = 10_000

/** The unit objects of tor instances: systemd escapes `@` as `_40` (sd_bus_path_encode(3)). */
const MATCHES = [
  `type='signal',sender='${SYSTEMD}',interface='${MANAGER}',path='${MANAGER_PATH}'`,
  `type='signal',sender='${SYSTEMD}',interface='org.freedesktop.DBus.Properties',path_namespace='${MANAGER_PATH}/unit'`,
  `type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='${SYSTEMD}'`
]

/** D-Bus specification, "Message types": the type of a signal. */
const SIGNAL = 4

const Signal = Schema.Struct({
  type: Schema.Literal(SIGNAL),
  path: Schema.String,
  member: Schema.String,
  body: Schema.Unknown
})
const isSignal = Schema.is(Signal)

/**
 * systemd over the system bus, with dbus-next's untyped values kept in here. One connection, made when first needed
 * and made anew after it broke; it is subscribed to systemd's signals before anything else is asked of it.
 */
export class SystemBus extends Context.Service<SystemBus, {
  /** The body of the reply. */
  readonly call: (call: BusCall) => Effect.Effect<unknown, BusFailed>
  /** What happens from now on. */
  readonly events: Effect.Effect<PubSub.Subscription<BusEvent>, BusFailed, Scope.Scope>
}>()("@patela/reconcilers/host/SystemBus") {
  static readonly layer: Layer.Layer<SystemBus> = Layer.effect(
    SystemBus,
    Effect.gen(function*() {
      const shared = yield* RcRef.make({ acquire: connect, idleTimeToLive: Infinity })

      const current = Effect.gen(function*() {
        const connection = yield* RcRef.get(shared)
        if (!connection.isClosed()) return connection
        yield* RcRef.invalidate(shared)
        return yield* RcRef.get(shared)
      })

      return SystemBus.of({
        call: Effect.fn("SystemBus.call")((call: BusCall) =>
          current.pipe(Effect.flatMap((connection) => connection.call(SYSTEMD, call)), Effect.scoped)
        ),
        events: Effect.flatMap(current, ({ events }) => PubSub.subscribe(events))
      })
    })
  )
}

interface Connection {
  readonly call: (destination: string, call: BusCall) => Effect.Effect<unknown, BusFailed>
  readonly events: PubSub.PubSub<BusEvent>
  readonly isClosed: () => boolean
}

const connect: Effect.Effect<Connection, BusFailed, Scope.Scope> = Effect.gen(function*() {
  const { Message, systemBus } = yield* Effect.tryPromise({ try: () => import("./DbusNext.ts"), catch: failureOf })
  const events = yield* PubSub.unbounded<BusEvent>()
  const gone = yield* Deferred.make<never, BusFailed>()
  let closed = false
  const lose = () => {
    if (closed) return
    closed = true
    Deferred.doneUnsafe(gone, Effect.fail(new BusFailed({ name: null, message: "the connection to systemd was lost" })))
    PubSub.publishUnsafe(events, { event: "lost" })
  }

  const bus = yield* Effect.acquireRelease(
    Effect.callback<ReturnType<typeof systemBus>, BusFailed>((resume) => {
      const made = systemBus()
      made.on("connect", () => resume(Effect.succeed(made)))
      made.on("error", (cause: unknown) => {
        lose()
        resume(Effect.fail(failureOf(cause)))
      })
      return Effect.sync(() => made.disconnect())
    }),
    (made) =>
      Effect.sync(() => {
        closed = true
        made.disconnect()
      }),
    { interruptible: true }
  ).pipe(answeredWithin("the system bus"))
  // dbus-next says nothing when the other side closes, and calls would wait for ever: the socket itself is asked.
  onSocketClose(bus, lose)
  bus.on("message", (message: unknown) => {
    if (!isSignal(message)) return
    const { body, member, path } = message
    // A new systemd on the bus knows nothing of the old subscription.
    if (member === "NameOwnerChanged") return lose()
    PubSub.publishUnsafe(events, { event: "signal", path, member, body })
  })

  const call = (destination: string, { body, ...rest }: BusCall): Effect.Effect<unknown, BusFailed> =>
    Effect.tryPromise({
      try: () => bus.call(new Message({ destination, ...rest, body: body === undefined ? [] : [...body] })),
      catch: failureOf
    }).pipe(
      Effect.map((reply): unknown => reply?.body),
      Effect.raceFirst(Deferred.await(gone)),
      answeredWithin(`${destination} (${rest.member})`)
    )

  const driver = { path: "/org/freedesktop/DBus", interface: "org.freedesktop.DBus" }
  for (const rule of MATCHES) {
    yield* call("org.freedesktop.DBus", { ...driver, member: "AddMatch", signature: "s", body: [rule] })
  }
  // Without a subscriber systemd sends no signals (org.freedesktop.systemd1(5)).
  yield* call(SYSTEMD, { path: MANAGER_PATH, interface: MANAGER, member: "Subscribe" })
  return { call, events, isClosed: () => closed }
})

const answeredWithin = (who: string) => <A, R>(effect: Effect.Effect<A, BusFailed, R>) =>
  Effect.timeoutOrElse(effect, {
    duration: TIMEOUT,
    orElse: () =>
      Effect.fail(
        new BusFailed({ name: null, message: `${who} did not answer in ${TIMEOUT / 1000} s: is systemd healthy?` })
      )
  })

const onSocketClose = (bus: object, lost: () => void): void => {
  const connection: unknown = Reflect.get(bus, "_connection")
  const socket: unknown = Predicate.isObject(connection) ? Reflect.get(connection, "stream") : undefined
  const on: unknown = Predicate.isObject(socket) ? Reflect.get(socket, "on") : undefined
  if (typeof on !== "function") throw new Error("dbus-next keeps its socket elsewhere than this version knows")
  Reflect.apply(on, socket, ["close", lost])
}

const failureOf = (cause: unknown): BusFailed => {
  const name: unknown = Predicate.isObject(cause) && "type" in cause ? cause.type : null
  const text = cause instanceof Error ? cause.message : String(cause)
  return new BusFailed({ name: typeof name === "string" ? name : null, message: `systemd over D-Bus: ${text}` })
}
