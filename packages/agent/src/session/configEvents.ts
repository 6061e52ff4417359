import { CONFIG_EVENT, ConfigEvent, HEARTBEAT_MILLIS } from "@patela/domain/api/ConfigEvent"
import { Duration, Schema, Stream } from "effect"
import * as Sse from "effect/encoding/Sse"
import { ServerAway } from "./SessionError.ts"

/** Three heartbeats that did not come: the network is cut, or the server hangs. */
export const SILENCE = Duration.millis(3 * HEARTBEAT_MILLIS)

/** The longest event that is read, in characters; ours have less than a hundred. */
const LONGEST = 4096

const silent = new ServerAway({
  message: `the server said nothing for ${Duration.format(SILENCE)}; is the network cut?`
})

const decodeEvent = Schema.decodeEffect(Schema.fromJsonString(ConfigEvent))

/**
 * The `config` events of a stream of server-sent events (WHATWG HTML, section 9.2), as bytes. Events of other names are
 * left out. Ends as the server ends it; fails where it breaks off, is silent for 45 s, or is not what it should be.
 */
export const configEvents = <E extends { readonly message: string }>(
  bytes: Stream.Stream<Uint8Array, E>
): Stream.Stream<ConfigEvent, ServerAway> =>
  bytes.pipe(
    Stream.mapError(({ message }) => new ServerAway({ message: `the server's events broke off: ${message}` })),
    Stream.timeoutOrElse({ duration: SILENCE, orElse: () => Stream.fail(silent) }),
    Stream.decodeText,
    Stream.pipeThroughChannel(Sse.decode({ maxEventSize: LONGEST })),
    Stream.filter(({ event }) => event === CONFIG_EVENT),
    Stream.mapEffect(({ data }) => decodeEvent(data)),
    Stream.mapError((error) =>
      error._tag === "ServerAway"
        ? error
        : new ServerAway({
          message: `the server's events are not to be read: ${
            error._tag === "Retry" ? "it wants to be asked again" : error.message
          }`
        })
    )
  )
