import { checkLayerText } from "@patela/domain/torrc/checkLayer"
import { mergeTorrcs } from "@patela/domain/torrc/merge"
import { renderTorrc } from "@patela/domain/torrc/render"
import type { Torrc } from "@patela/domain/torrc/Torrc"
import { Result } from "effect"

/** The layers of one relay as text, the lowest first: default, node, relay. */
export interface TorrcLayers {
  readonly global: string
  readonly node: string
  readonly relay: string
}

/**
 * What may be used of a layer. It was checked when it was imported, and is again, for the test network may have been
 * turned off since, and the rules of this version may be stricter than those of the one that took it.
 */
const acceptedOf = (text: string, testNetwork: boolean): Torrc =>
  Result.getOrElse(Result.map(checkLayerText(text, { testNetwork }), ({ accepted }) => accepted), () => [])

/** What the layers mean together, in canonical form, without what Patela manages or refuses. */
export const resolveTorrc = ({ global, node, relay }: TorrcLayers, testNetwork: boolean): string =>
  renderTorrc(mergeTorrcs([global, node, relay].map((text) => acceptedOf(text, testNetwork))))
