// Founding a network, and the file that every node of it keeps: genesis.json, the founding document as people can read it. It is the
// same at every node and never changes. The file is strictly parsed, encoded again to canonical bytes and checked against the network
// id and the signatures in it, so that an edit of any value is found. Reformatting is no edit. The key that signs stays in
// genesis.key with the founder and is never written here.

import { readFile } from 'node:fs/promises';
import { equal, toUtf8 } from '../base/bytes.ts';
import { type Genesis, networkIdOf, signEpoch } from '../base/epoch.ts';
import { StoreError } from '../base/errors.ts';
import type { Digest, Epoch, OwnerId, Stake } from '../base/ids.ts';
import { GENESIS_FILE_LENGTH_MAX } from '../base/limits.ts';
import { DEFAULT_PARAMS, type NetworkParams } from '../base/params.ts';
import type { Clock, Random, Signer, Verify } from '../base/ports.ts';
import type { ChainPosition } from '../consensus/beacon.ts';
import { atomicWrite, systemCode } from '../runtime/files.ts';
import type { Amounts } from '../shards/amounts.ts';
import {
  type ChainPart,
  decodeFounding,
  encodeFounding,
  type FoundingDocument,
  signFounding,
} from '../shards/founding.ts';
import { DEFAULT_PARAMETERS, type Parameters } from '../shards/parameters.ts';
import { admit, type Candidate, checkLabel } from './candidate.ts';
import { foundingFromJson, foundingToJson } from './genesis-form.ts';

/** Tokens at risk that a member has unless it says otherwise. */
export const DEFAULT_STAKE: Stake = 100n as Stake;

/** A member that is there from the beginning. */
export interface FoundingMember extends Candidate {
  /** Of its operator: one account for all nodes of one operator. */
  readonly account: OwnerId;
  /** The end of its reveal chain for this network; without one it commits to one later. */
  readonly chain?: ChainPosition;
}

export interface FoundOptions {
  readonly members: readonly FoundingMember[];
  readonly params?: Partial<NetworkParams>;
  readonly parameters?: Partial<Parameters>;
  /** Tokens of accounts beside stake. */
  readonly balances?: readonly (readonly [owner: OwnerId, amounts: Amounts])[];
}

export interface FoundPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly genesisSigner: Signer;
}

/**
 * What a new network will be known by: first, because its members' reveal chains are made for it. Throws INVALID_ARGUMENT for a bad
 * name.
 */
export function drawGenesis(ports: FoundPorts, name: string): Genesis {
  return {
    name: checkLabel('network name', name),
    genesisKey: ports.genesisSigner.publicKey,
    createdAtMs: ports.clock.now(),
    nonce: ports.random.bytes(16),
  };
}

/**
 * The founding document of a new network. Throws INVALID_ARGUMENT for bad names or domains, and for an operator with two accounts;
 * INVALID_CONFIG when the parts do not fit together.
 */
export function foundNetwork(
  ports: Pick<FoundPorts, 'random' | 'genesisSigner'>,
  genesis: Genesis,
  options: FoundOptions,
): FoundingDocument {
  const { members } = options;
  const record = {
    network: networkIdOf(genesis),
    epoch: 0 as Epoch,
    previous: new Uint8Array(32) as Digest,
    seed: ports.random.bytes(32) as Digest,
    params: { ...DEFAULT_PARAMS, ...options.params },
    members: members.map(({ account: _account, chain: _chain, ...candidate }) =>
      admit(candidate, ports.random),
    ),
  };
  const part: ChainPart = {
    parameters: { ...DEFAULT_PARAMETERS, ...options.parameters },
    operators: operatorsOf(members),
    balances: options.balances ?? [],
    chains: members.flatMap(({ node, chain }) => (chain === undefined ? [] : [[node, chain] as const])),
  };
  return signFounding(signEpoch(genesis, record, ports.genesisSigner), part, ports.genesisSigner);
}

function operatorsOf(members: readonly FoundingMember[]): ChainPart['operators'] {
  const accounts = new Map<FoundingMember['operator'], OwnerId>();
  for (const { operator, account } of members) {
    if (!equal(accounts.get(operator) ?? account, account))
      throw new StoreError('INVALID_ARGUMENT', `operator ${operator} has two accounts`);
    accounts.set(operator, account);
  }
  return [...accounts];
}

// ---- The files -----------------------------------------------------------------------------------------------------

/** The text of genesis.json. */
export function formatGenesis(document: FoundingDocument): string {
  return formatted(foundingToJson(document));
}

/**
 * The verified document in the text of a genesis file; `path` names it in messages. Throws INVALID_CONFIG (not such a file, or
 * a value is off) or INVALID_SIGNATURE (it was changed after it was signed).
 */
export function parseGenesis(text: string, path: string, verify: Verify): FoundingDocument {
  return checked(text, path, (json) => {
    const document = foundingFromJson(json);
    // Through the canonical bytes, so that the file obeys every rule of what it stands for.
    return decodeFounding(encodeFounding(document), document.signed.record.network, verify);
  });
}

/** Reads and verifies. Throws NOT_FOUND, INVALID_CONFIG, INVALID_SIGNATURE, DISK. */
export async function readGenesis(path: string, verify: Verify): Promise<FoundingDocument> {
  const text = await readText(path);
  if (text !== undefined) return parseGenesis(text, path, verify);
  throw new StoreError('NOT_FOUND', `there is no network file ${path}`, {
    next: 'Make a network with "store init" or join one with "store join CODE".',
  });
}

/** Writes the file, whole or not at all. Throws DISK. */
export async function writeGenesis(path: string, document: FoundingDocument): Promise<void> {
  await atomicWrite(path, toUtf8(formatGenesis(document)));
}

function formatted(json: unknown): string {
  return `${JSON.stringify(json, undefined, 2)}\n`;
}

async function readText(path: string): Promise<string | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw new StoreError('DISK', `cannot read ${path}`, { cause: error });
  }
  if (bytes.length <= GENESIS_FILE_LENGTH_MAX) return new TextDecoder().decode(bytes);
  throw new StoreError('INVALID_CONFIG', `${path}: longer than any network file`, { next: NEXT });
}

const NEXT = 'Restore the file from a backup or from another node of the network; it is the same everywhere.';

function checked<T>(text: string, path: string, read: (json: unknown) => T): T {
  try {
    return read(parseJson(text));
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    const wasChanged = error.code === 'INVALID_SIGNATURE' || error.code === 'WRONG_NETWORK';
    throw new StoreError(
      wasChanged ? 'INVALID_SIGNATURE' : 'INVALID_CONFIG',
      wasChanged ? `${path} was changed after it was signed` : `${path}: ${error.message}`,
      { next: NEXT, cause: error },
    );
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unreadable';
    throw new StoreError('INVALID_CONFIG', `not JSON (${reason})`);
  }
}
