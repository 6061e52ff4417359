import type { BootSelection } from "@patela/domain/attestation/BootEvidence"
import type { PcrSelection } from "@patela/tpm/quote/PcrSelection"
import { Algorithm } from "@patela/tpm/structures/Algorithm"

/**
 * The PCRs that stand for what a node booted: firmware (0), its drivers (2), boot loader or unified kernel image (4), Secure
 * Boot (7), and what systemd-stub measures of an image (12 to 14). Left out are those that are another on each machine
 * or at each moment (1, 3, 5, 11) and those that anybody may reset (16, 23).
 */
export const bootSelection: BootSelection = { bank: "sha256", pcrs: [0, 2, 4, 7, 12, 13, 14] }

/** The same for verification: exactly these PCRs of exactly this bank. */
export const bootPcrs: PcrSelection = [{ hash: Algorithm.sha256, pcrs: bootSelection.pcrs }]
