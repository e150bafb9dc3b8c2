// The founding document: everything that a network begins with, so that everybody makes the same height 0 from it. The signed record of
// epoch 0 says who the members are; the chain part says by what rules and with which accounts the chain starts. The network id pins the
// genesis key, and the genesis key signs both.
//
// Invariants
//   One founding has one form: lists are sorted, and what the record and the parameters both say is the same in both.
//   The chain part is bound to the network and to the record that it was made for: no two can be mixed.
//   The id covers what is signed and no signature, so that signing again makes no other network.

import { z } from 'zod';
import { compare, equal, toUtf8 } from '../base/bytes.ts';
import { bytesOf, bytesUpTo, decodeCanonical, digestOf, encode, label, listOf, uint } from '../base/codec.ts';
import { decodeEpoch, encodeEpoch, epochDigest, type EpochRecord, type SignedEpoch } from '../base/epoch.ts';
import { StoreError } from '../base/errors.ts';
import { digest, type Sha256, signedBytes } from '../base/hash.ts';
import type { Digest, NetworkId, NodeId, OperatorId, OwnerId, Signature } from '../base/ids.ts';
import {
  BEACON_CHAIN_LENGTH_MAX,
  EPOCH_RECORD_LENGTH_MAX,
  FOUNDING_BALANCES_MAX,
  FOUNDING_LENGTH_MAX,
  MEMBERS_MAX,
} from '../base/limits.ts';
import type { Signer, Verify } from '../base/ports.ts';
import type { ChainPosition } from '../consensus/beacon.ts';
import { type Amounts, amountsSchema } from './amounts.ts';
import { writeGenesis } from './genesis-state.ts';
import { type Parameters, parametersSchema, parametersTuple, type StorageRules } from './parameters.ts';
import { currentEpochRecord } from './storage-members.ts';
import { type Change, type Loaded, Overlay } from './view.ts';

/** What the record of epoch 0 does not say. */
export interface ChainPart {
  readonly parameters: Parameters;
  /** The account of each operator that the record names, by name. */
  readonly operators: readonly (readonly [operator: OperatorId, account: OwnerId])[];
  /** What accounts have beside stake, by account. */
  readonly balances: readonly (readonly [owner: OwnerId, amounts: Amounts])[];
  /** Reveal chains of members, by node. */
  readonly chains: readonly (readonly [node: NodeId, chain: ChainPosition])[];
}

export interface FoundingDocument extends ChainPart {
  /** Epoch 0. */
  readonly signed: SignedEpoch;
  /** By the genesis key, over the chain part. */
  readonly signature: Signature;
}

/**
 * Founds a network on a record of epoch 0. Lists may come in any order, and what the parameters say of storage is taken from the
 * record. Throws INVALID_CONFIG when the parts do not fit together, INVALID_ARGUMENT for a reveal chain that is empty or too long,
 * INVALID_ENCODING when something stands twice or a list is too long.
 */
export function signFounding(
  signed: SignedEpoch,
  part: ChainPart,
  genesisSigner: Signer,
  sha256?: Sha256,
): FoundingDocument {
  const sorted: ChainPart = {
    parameters: { ...part.parameters, storage: storageOf(signed) },
    operators: part.operators.toSorted(([a], [b]) => compare(toUtf8(a), toUtf8(b))),
    balances: part.balances.toSorted(([a], [b]) => compare(a, b)),
    chains: part.chains.toSorted(([a], [b]) => compare(a, b)),
  };
  const signature = genesisSigner.sign(signedBytes('founding', coveredBytes({ signed, ...sorted }, sha256)));
  const document = { signed, ...sorted, signature };
  foundState(document, sha256);
  decodeParts(encodeFounding(document));
  checkForm(document);
  return document;
}

export function encodeFounding(document: FoundingDocument): Uint8Array {
  return encode([encodeEpoch(document.signed), ...chainTuple(document), document.signature]);
}

/** Parses and verifies. Throws INVALID_ENCODING, WRONG_NETWORK, INVALID_SIGNATURE. */
export function decodeFounding(bytes: Uint8Array, network: NetworkId, verify: Verify): FoundingDocument {
  const { epoch, ...rest } = decodeParts(bytes);
  const document: FoundingDocument = { signed: decodeEpoch(epoch, network, verify), ...rest };
  const covered = signedBytes('founding', coveredBytes(document));
  if (!verify(document.signed.genesis.genesisKey, covered, document.signature)) {
    throw new StoreError(
      'INVALID_SIGNATURE',
      'founding document: the chain part is not signed by the genesis key',
    );
  }
  checkForm(document);
  return document;
}

/** What the first block names as its parent, and what pins a network with all that it began with. */
export function foundingId(document: FoundingDocument, sha256?: Sha256): Digest {
  return digest('founding', [coveredBytes(document, sha256)], sha256);
}

/** Every record of height 0, in the order of paths. Throws INVALID_CONFIG when the parts of the document do not fit together. */
export function foundState(document: FoundingDocument, sha256?: Sha256): readonly Change[] {
  const { signed, parameters, operators, balances, chains } = document;
  for (const [, amounts] of balances) checkAssets(parameters, amounts);
  const state = new Overlay({ read: () => null });
  const { createdAtMs } = signed.genesis;
  const founding = { record: signed.record, createdAtMs, parameters, balances, chains };
  writeGenesis(state, { ...founding, operators: new Map(operators) }, sha256);
  return state.changes();
}

/** Epoch 0 as the chain says it: the members of the document's record, their operators named by accounts. */
export function firstEpochRecord(document: FoundingDocument, sha256?: Sha256): EpochRecord {
  const records = new Map(foundState(document, sha256).map(({ key, after }) => [key.text, after] as const));
  const state = new Overlay({ read: (key): Loaded => records.get(key.text) ?? null });
  return currentEpochRecord(state, document.signed.record.network);
}

/** Height 0 as the first block sees it. */
export interface FirstHead {
  readonly height: 0;
  readonly id: Digest;
  readonly timeMs: number;
  readonly shardBits: number;
}

export function firstHead(document: FoundingDocument, sha256?: Sha256): FirstHead {
  const { genesis, record } = document.signed;
  const { shardBits } = record.params;
  return { height: 0, id: foundingId(document, sha256), timeMs: genesis.createdAtMs, shardBits };
}

// ---- Form ----------------------------------------------------------------------------------------------------------

const partsSchema = z
  .tuple([
    bytesUpTo(EPOCH_RECORD_LENGTH_MAX),
    parametersSchema,
    listOf(z.tuple([label, digestOf<OwnerId>()]), MEMBERS_MAX),
    listOf(z.tuple([digestOf<OwnerId>(), amountsSchema]), FOUNDING_BALANCES_MAX),
    listOf(z.tuple([digestOf<NodeId>(), digestOf<Digest>(), uint(BEACON_CHAIN_LENGTH_MAX)]), MEMBERS_MAX),
    bytesOf(64),
  ])
  .transform(([epoch, parameters, operators, balances, chains, signature]) => ({
    epoch,
    parameters,
    operators: operators.map(([operator, account]) => [operator as OperatorId, account] as const),
    balances,
    chains: chains.map(([node, tip, remaining]) => [node, { tip, remaining }] as const),
    signature: signature as Signature,
  }));

function decodeParts(bytes: Uint8Array): z.infer<typeof partsSchema> {
  return decodeCanonical(partsSchema, bytes, FOUNDING_LENGTH_MAX, 'founding document');
}

function chainTuple({ parameters, operators, balances, chains }: ChainPart): readonly unknown[] {
  return [
    parametersTuple(parameters),
    operators,
    balances,
    chains.map(([node, { tip, remaining }]) => [node, tip, remaining]),
  ];
}

/** What is signed, and what the id is the digest of. */
function coveredBytes(document: Omit<FoundingDocument, 'signature'>, sha256?: Sha256): Uint8Array {
  const { record } = document.signed;
  return encode([record.network, epochDigest(record, sha256), ...chainTuple(document)]);
}

function storageOf({ record }: SignedEpoch): StorageRules {
  const { shardMembersMin, operatorShareDivisor, isTrial } = record.params;
  return { shardMembersMin, operatorShareDivisor, isTrial };
}

/** What no schema sees. Throws INVALID_ENCODING. */
function checkForm({ signed, parameters, operators, balances, chains }: FoundingDocument): void {
  if (signed.record.epoch !== 0) throw malformed(`its record is of epoch ${signed.record.epoch}, not 0`);
  if (!equal(encode(storageTuple(parameters.storage)), encode(storageTuple(storageOf(signed)))))
    throw malformed('parameters and record differ about storage');
  const byBytes = (list: readonly (readonly [Uint8Array, unknown])[]): Uint8Array[] =>
    list.map(([key]) => key);
  checkAscending(
    'operators',
    operators.map(([operator]) => toUtf8(operator)),
  );
  checkAscending('balances', byBytes(balances));
  checkAscending('reveal chains', byBytes(chains));
  if (balances.some(([, amounts]) => amounts.length === 0)) throw malformed('a balance is of nothing');
  if (chains.some(([, { remaining }]) => remaining === 0)) throw malformed('a reveal chain is empty');
}

function storageTuple(rules: StorageRules): readonly unknown[] {
  return [rules.shardMembersMin, rules.operatorShareDivisor, rules.isTrial];
}

function checkAscending(what: string, keys: readonly Uint8Array[]): void {
  const isAscending = keys.every((key, index) => index === 0 || compare(keys[index - 1]!, key) < 0);
  if (!isAscending) throw malformed(`${what} are not sorted or one stands twice`);
}

function malformed(reason: string): StoreError {
  return new StoreError('INVALID_ENCODING', `founding document: ${reason}`);
}

/** Capacity is proven by audits, never given. */
function checkAssets(parameters: Parameters, amounts: Amounts): void {
  for (const [asset] of amounts) {
    if (parameters.assets[asset]?.isCapacity === false) continue;
    throw new StoreError('INVALID_CONFIG', `genesis: asset ${asset} is none that an account may have`);
  }
}
