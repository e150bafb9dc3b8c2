// Where a node keeps what. The folder is private to its user; one process uses it at a time.
//
//     identity.key    the node's key; whoever has it is the node           back it up
//     genesis.key     the founder's key that signs membership              back it up, keep it apart
//     genesis.json    the network: its first or a later signed epoch record
//     node.yaml       configuration, written by people
//     state/          small state: the epoch record in force, addresses of members, used invitations
//     pieces/         the log of pieces and its index

import { join } from 'node:path';

export interface DataFolder {
  readonly path: string;
  readonly identityKey: string;
  readonly genesisKey: string;
  readonly genesisFile: string;
  readonly configFile: string;
  readonly state: string;
  readonly pieces: string;
}

export function dataFolder(path: string): DataFolder {
  return {
    path,
    identityKey: join(path, 'identity.key'),
    genesisKey: join(path, 'genesis.key'),
    genesisFile: join(path, 'genesis.json'),
    configFile: join(path, 'node.yaml'),
    state: join(path, 'state'),
    pieces: join(path, 'pieces'),
  };
}
