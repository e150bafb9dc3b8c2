// Where a node keeps what. The folder is private to its user; one process uses it at a time.
//
//     identity.key    the node's key; whoever has it is the node           back it up
//     operator.key    the key of its operator's account on the chain       back it up
//     beacon.key      the secret behind its reveals as a validator
//     genesis.key     the founder's key that signed the founding document
//     genesis.json    the network: its founding document, the same everywhere
//     invitations     codes that were made here: worth tokens until they are used
//     node.yaml       configuration, written by people
//     state/          small state: the epoch record in force, addresses of members
//     chain/          blocks and state of the chain
//     pieces/         the log of pieces and its index
//     validator/      what it signed last as a validator, and its write-ahead log

import { join } from 'node:path';

export interface DataFolder {
  readonly path: string;
  readonly identityKey: string;
  readonly operatorKey: string;
  readonly beaconKey: string;
  readonly genesisKey: string;
  readonly genesisFile: string;
  readonly invitations: string;
  readonly configFile: string;
  readonly state: string;
  readonly chain: string;
  readonly pieces: string;
  /** As `startValidator` wants it; the guard of `identityKey` is in its folder `signer`. */
  readonly validator: string;
}

export function dataFolder(path: string): DataFolder {
  return {
    path,
    identityKey: join(path, 'identity.key'),
    operatorKey: join(path, 'operator.key'),
    beaconKey: join(path, 'beacon.key'),
    genesisKey: join(path, 'genesis.key'),
    genesisFile: join(path, 'genesis.json'),
    invitations: join(path, 'invitations'),
    configFile: join(path, 'node.yaml'),
    state: join(path, 'state'),
    chain: join(path, 'chain'),
    pieces: join(path, 'pieces'),
    validator: join(path, 'validator'),
  };
}
