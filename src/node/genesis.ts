// Founding a network, and the file that every node of it keeps: genesis.json, a signed epoch record that people can read.
// The file is strictly parsed, encoded again to canonical bytes and checked against the network id and the signature in
// it, so that an edit of any value is found. Reformatting is no edit. The key that signs stays in genesis.key with
// the founder and is never written here.

import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { compare, fromHex, toHex, toUtf8 } from '../base/bytes.ts';
import { label } from '../base/codec.ts';
import {
  decodeEpoch,
  encodeEpoch,
  type Genesis,
  type Member,
  networkIdOf,
  signEpoch,
  type SignedEpoch,
} from '../base/epoch.ts';
import { StoreError } from '../base/errors.ts';
import type { Digest, Epoch, NetworkId, NodeId, OperatorId, Signature, Stake } from '../base/ids.ts';
import { DOMAIN_LABELS_MAX, GENESIS_FILE_LENGTH_MAX, LABEL_LENGTH_MAX, MEMBERS_MAX } from '../base/limits.ts';
import { DEFAULT_PARAMS, type NetworkParams } from '../base/params.ts';
import type { Clock, Random, Signer, Verify } from '../base/ports.ts';
import { atomicWrite, systemCode } from '../runtime/files.ts';

/** Tokens at risk that a member has unless it says otherwise. */
export const DEFAULT_STAKE: Stake = 100n as Stake;

/** What a member says of itself; the founder draws the rest. */
export type Candidate = Omit<Member, 'admissionSeed'>;

export interface FoundOptions {
  readonly name: string;
  readonly members: readonly Candidate[];
  readonly params?: Partial<NetworkParams>;
}

export interface FoundPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly genesisSigner: Signer;
}

/** A new network with its first epoch record. Throws INVALID_ARGUMENT for a bad name or parameters. */
export function foundNetwork(ports: FoundPorts, options: FoundOptions): SignedEpoch {
  const genesis: Genesis = {
    name: checkLabel('network name', options.name),
    genesisKey: ports.genesisSigner.publicKey,
    createdAtMs: ports.clock.now(),
    nonce: ports.random.bytes(16),
  };
  const record = {
    network: networkIdOf(genesis),
    epoch: 0 as Epoch,
    previous: new Uint8Array(32) as Digest,
    seed: ports.random.bytes(32) as Digest,
    params: { ...DEFAULT_PARAMS, ...options.params },
    members: options.members.map((candidate) => admit(candidate, ports.random)),
  };
  return signEpoch(genesis, record, ports.genesisSigner);
}

/**
 * A member whose admission seed is drawn now, after it showed its key, so that nobody chooses a position. Throws
 * INVALID_ARGUMENT for a bad operator or failure domain.
 */
export function admit(candidate: Candidate, random: Random): Member {
  return {
    ...candidate,
    operator: checkLabel('operator', candidate.operator) as OperatorId,
    domains: sortDomains(candidate.domains),
    admissionSeed: random.bytes(32) as Digest,
  };
}

/** Failure domains in the order of a record. Throws INVALID_ARGUMENT for a bad name, one that stands twice, or too many. */
export function sortDomains(domains: Candidate['domains']): Candidate['domains'] {
  const sorted = domains.toSorted(([a], [b]) => compare(toUtf8(a), toUtf8(b)));
  for (const [index, [name, value]] of sorted.entries()) {
    checkLabel('failure domain', name);
    checkLabel(`value of failure domain ${name}:`, value);
    if (sorted[index - 1]?.[0] === name) {
      throw new StoreError('INVALID_ARGUMENT', `failure domain ${name} is given twice`);
    }
  }
  if (sorted.length > DOMAIN_LABELS_MAX) {
    throw new StoreError('INVALID_ARGUMENT', `more than ${DOMAIN_LABELS_MAX} failure domains`);
  }
  return sorted;
}

/** `value` when it is a name that may stand in a record. Throws INVALID_ARGUMENT. */
export function checkLabel(what: string, value: string): string {
  if (label.safeParse(value).success) return value;
  throw new StoreError('INVALID_ARGUMENT', `${what} ${JSON.stringify(value.slice(0, 80))} is not a name`, {
    next: `Use 1 to ${LABEL_LENGTH_MAX} of a-z, 0-9, dot, underscore and hyphen, beginning with a letter or digit.`,
  });
}

// ---- The file ------------------------------------------------------------------------------------------------

const hex = (length: number): z.ZodType<string> =>
  z.string().regex(new RegExp(`^[0-9a-f]{${2 * length}}$`), `not ${2 * length} hex digits in lower case`);
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

const fileSchema = z.strictObject({
  network: hex(32),
  name: label,
  genesisKey: hex(32),
  createdAt: z.iso.datetime({ precision: 3 }),
  nonce: hex(16),
  epoch: count,
  previous: hex(32),
  seed: hex(32),
  params: z.strictObject({
    shardBits: count,
    shardMembersMin: count,
    operatorShareDivisor: count,
    isTrial: z.boolean(),
  }),
  members: z
    .array(
      z.strictObject({
        node: hex(32),
        operator: label,
        stake: z.string().regex(/^(0|[1-9][0-9]{0,19})$/, 'not a whole number of tokens in quotes'),
        capacityBytes: count,
        admissionSeed: hex(32),
        domains: z
          .record(label, label)
          .refine((domains) => Object.keys(domains).length <= DOMAIN_LABELS_MAX, 'too many labels'),
      }),
    )
    .max(MEMBERS_MAX),
  signature: hex(64),
});

/** The text of genesis.json. */
export function formatGenesis(signed: SignedEpoch): string {
  const { genesis, record, signature } = signed;
  const file: z.infer<typeof fileSchema> = {
    network: toHex(record.network),
    name: genesis.name,
    genesisKey: toHex(genesis.genesisKey),
    createdAt: new Date(genesis.createdAtMs).toISOString(),
    nonce: toHex(genesis.nonce),
    epoch: record.epoch,
    previous: toHex(record.previous),
    seed: toHex(record.seed),
    params: { ...record.params },
    members: record.members.map((member) => ({
      node: toHex(member.node),
      operator: member.operator,
      stake: String(member.stake),
      capacityBytes: member.capacityBytes,
      admissionSeed: toHex(member.admissionSeed),
      domains: Object.fromEntries(member.domains),
    })),
    signature: toHex(signature),
  };
  return `${JSON.stringify(file, undefined, 2)}\n`;
}

/**
 * The verified record in the text of a genesis file; `path` names it in messages. Throws INVALID_CONFIG (not such a file, or
 * a value is off) or INVALID_SIGNATURE (it was changed after it was signed).
 */
export function parseGenesis(text: string, path: string, verify: Verify): SignedEpoch {
  const parsed = fileSchema.safeParse(parseJson(text, path));
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw invalid(path, `${issue.path.join('.') || 'the file'}: ${issue.message}`);
  }
  const signed = fromFile(parsed.data);
  try {
    // Through the canonical bytes, so that the file obeys every rule of the record it stands for.
    return decodeEpoch(encodeEpoch(signed), fromHex(parsed.data.network) as NetworkId, verify);
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

function fromFile(file: z.infer<typeof fileSchema>): SignedEpoch {
  return {
    genesis: {
      name: file.name,
      genesisKey: fromHex(file.genesisKey),
      createdAtMs: Date.parse(file.createdAt),
      nonce: fromHex(file.nonce),
    },
    record: {
      network: fromHex(file.network) as NetworkId,
      epoch: file.epoch as Epoch,
      previous: fromHex(file.previous) as Digest,
      seed: fromHex(file.seed) as Digest,
      params: file.params,
      members: file.members.map((member) => ({
        node: fromHex(member.node) as NodeId,
        operator: member.operator as OperatorId,
        stake: BigInt(member.stake) as Stake,
        capacityBytes: member.capacityBytes,
        admissionSeed: fromHex(member.admissionSeed) as Digest,
        domains: sortDomains(Object.entries(member.domains)),
      })),
    },
    signature: fromHex(file.signature) as Signature,
  };
}

/** Reads and verifies. Throws NOT_FOUND, INVALID_CONFIG, INVALID_SIGNATURE, DISK. */
export async function readGenesis(path: string, verify: Verify): Promise<SignedEpoch> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') {
      throw new StoreError('NOT_FOUND', `there is no network file ${path}`, {
        next: 'Make a network with "store init" or join one with "store join CODE".',
      });
    }
    throw new StoreError('DISK', `cannot read ${path}`, { cause: error });
  }
  if (bytes.length > GENESIS_FILE_LENGTH_MAX) throw invalid(path, 'longer than any network file');
  return parseGenesis(new TextDecoder().decode(bytes), path, verify);
}

/** Writes the file, whole or not at all. Throws DISK. */
export async function writeGenesis(path: string, signed: SignedEpoch): Promise<void> {
  await atomicWrite(path, toUtf8(formatGenesis(signed)));
}

const NEXT = 'Restore the file from a backup or from another node of the network; it is the same everywhere.';

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(path, `not JSON (${error instanceof Error ? error.message : 'unreadable'})`);
  }
}

function invalid(path: string, reason: string): StoreError {
  return new StoreError('INVALID_CONFIG', `${path}: ${reason}`, { next: NEXT });
}
