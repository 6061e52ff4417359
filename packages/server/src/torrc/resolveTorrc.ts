import { mergeTorrcs } from "@patela/domain/torrc/merge"
import { parseTorrc } from "@patela/domain/torrc/parse"
import { renderTorrc } from "@patela/domain/torrc/render"
import type { Torrc } from "@patela/domain/torrc/Torrc"
import { Result } from "effect"

/** The layers of one relay as text, the lowest first: default, node, relay. */
export interface TorrcLayers {
  readonly global: string
  readonly node: string
  readonly relay: string
}

/** The text of a layer that was checked when it was imported; nothing of one that no longer reads is used. */
const linesOf = (text: string): Torrc => Result.getOrElse(Result.map(parseTorrc(text), ({ lines }) => lines), () => [])

/** What the layers mean together, in canonical form. */
export const resolveTorrc = ({ global, node, relay }: TorrcLayers): string =>
  renderTorrc(mergeTorrcs([global, node, relay].map(linesOf)))
