// A local network for a demonstration: the folders of its nodes, and a client's home that knows it.

import { join } from 'node:path';
import { writeNetworkFile } from '../../src/client/network-file.ts';
import { dataFolder } from '../../src/node/data-folder.ts';
import { prepareLocalNetwork } from '../../src/node/local-network.ts';

export interface LocalTrial {
  readonly folders: readonly string[];
  readonly home: string;
  /** Folder of the piece log of node `index`. */
  piecesOf(index: number): string;
}

export async function makeLocalTrial(folder: string, count: number): Promise<LocalTrial> {
  const { nodeFolders, description } = await prepareLocalNetwork({ folder, count });
  const home = join(folder, 'home');
  await writeNetworkFile(home, description);
  return { folders: nodeFolders, home, piecesOf: (index) => dataFolder(nodeFolders[index]!).pieces };
}
