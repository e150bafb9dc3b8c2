// Chains of headers without bodies: validators come and go as a test says, and a certificate is signed when somebody asks for it. A fork shares
// its beginning with another chain.

import { toHex } from '../../../src/base/bytes.ts';
import type { Digest, Epoch, NetworkId, NodeId } from '../../../src/base/ids.ts';
import { signBytes } from '../../../src/consensus/sign-bytes.ts';
import {
  type BlockId,
  type CommitCertificate,
  NO_ROUND,
  type ValidatorSet,
} from '../../../src/consensus/types.ts';
import {
  indexOf,
  isQuorum,
  powerOf,
  validatorSet,
  validatorSetDigest,
} from '../../../src/consensus/validator-set.ts';
import type { LightRules } from '../../../src/client/chain/light-checks.ts';
import { nativeSha256, nativeVerify } from '../../../src/runtime/crypto.ts';
import { encodeHeader, type Header, headerId } from '../../../src/shards/header.ts';
import { type LightBlock, lightBlock } from '../../../src/shards/light-block.ts';
import type { FoundingDocument } from '../../../src/shards/founding.ts';
import { digestFrom } from '../../helpers/records.ts';
import { FOUNDED_AT_MS, foundingOf, keyName, signerNamed } from './founding-kit.ts';

export const FOUNDING: FoundingDocument = foundingOf();
export const NETWORK: NetworkId = FOUNDING.signed.record.network;
export const STARTED_AT_MS: number = FOUNDED_AT_MS;
export const BLOCK_MS = 1_000;

/** Validators of power 1, or of the power given behind a colon. */
export function setOf(members: readonly string[]): ValidatorSet {
  return validatorSet(
    members.map((member) => {
      const [name, power = '1'] = member.split(':') as [string, string?];
      return { node: signerNamed(name).publicKey as NodeId, power: BigInt(power) };
    }),
  );
}

export interface ChainOptions {
  readonly network?: NetworkId;
  /** Names of the validators of a height. */
  readonly members: (height: number) => readonly string[];
  /** Who signs, of the members of a height; as few as are enough where absent. */
  readonly signs?: (name: string, height: number) => boolean;
  /** Makes headers differ from those of another chain. */
  readonly mark?: string;
}

export class HeaderChain {
  readonly options: ChainOptions;
  readonly #headers: { readonly bytes: Uint8Array; readonly id: Digest }[] = [];
  readonly #lights = new Map<number, LightBlock>();
  readonly #sets = new Map<string, { readonly set: ValidatorSet; readonly digest: Digest }>();

  constructor(
    options: ChainOptions,
    shared: readonly { readonly bytes: Uint8Array; readonly id: Digest }[] = [],
  ) {
    this.options = options;
    this.#headers = [...shared];
  }

  /** The same up to the height before `height`; from it on as `options` say. */
  fork(height: number, options: Partial<ChainOptions>): HeaderChain {
    this.#grow(height - 1);
    const before = this.options;
    const of = { ...this.options, mark: 'fork', ...options };
    const isBefore = (at: number): boolean => at < height;
    return new HeaderChain(
      {
        ...of,
        members: (at) => (isBefore(at) ? before.members(at) : of.members(at)),
        signs: (name, at) => {
          const rule = isBefore(at) ? before.signs : of.signs;
          return rule?.(name, at) ?? true;
        },
      },
      this.#headers.slice(0, height - 1),
    );
  }

  setAt(height: number): ValidatorSet {
    return this.#set(height).set;
  }

  #set(height: number): { readonly set: ValidatorSet; readonly digest: Digest } {
    const members = this.options.members(height);
    const key = members.join();
    const known = this.#sets.get(key);
    if (known !== undefined) return known;
    const set = setOf(members);
    const made = { set, digest: validatorSetDigest(set, nativeSha256) };
    this.#sets.set(key, made);
    return made;
  }

  #grow(height: number): void {
    while (this.#headers.length < height) {
      const next = this.#headers.length + 1;
      const parent = this.#headers.at(-1)?.id ?? digestFrom<Digest>('founding');
      const header = this.#header(next, parent);
      const bytes = encodeHeader(header);
      this.#headers.push({ bytes, id: headerId(bytes, nativeSha256) });
    }
  }

  #header(height: number, parent: Digest): Header {
    const mark = this.options.mark ?? 'main';
    const root = digestFrom<Digest>(mark);
    return {
      network: this.options.network ?? NETWORK,
      height,
      epoch: 0 as Epoch,
      timeMs: STARTED_AT_MS + height * BLOCK_MS,
      parent,
      lastCommit: root,
      validators: this.#set(height).digest,
      nextValidators: this.#set(height + 1).digest,
      shardBits: 0,
      stateRoot: root,
      shardsRoot: root,
      transactionsRoot: root,
      receiptsRoot: root,
      evidenceRoot: root,
      body: root,
      proposer: this.#set(height).set.validators[0]!.node,
      reveal: null,
    };
  }

  light(height: number): LightBlock {
    const known = this.#lights.get(height);
    if (known !== undefined) return known;
    this.#grow(height);
    const { bytes, id } = this.#headers[height - 1]!;
    const set = this.setAt(height);
    const { network = NETWORK, signs } = this.options;
    const certificate = certify(network, set, height, id, (name) => signs?.(name, height) ?? true);
    const light = lightBlock(bytes, certificate, set, nativeSha256);
    this.#lights.set(height, light);
    return light;
  }
}

/** A block of any height, without a chain below it, that those who are named decided. */
export function strayLight(
  height: number,
  members: readonly string[],
  timeMs: number = timeOf(height),
): LightBlock {
  const set = setOf(members);
  const digest = validatorSetDigest(set, nativeSha256);
  const { header } = new HeaderChain({ members: () => members }).light(1);
  const bytes = encodeHeader({ ...header, height, timeMs, validators: digest, nextValidators: digest });
  const certificate = certify(NETWORK, set, height, headerId(bytes, nativeSha256));
  return lightBlock(bytes, certificate, set, nativeSha256);
}

/** Of those who are willing, in the order of the set, as few as make a quorum; all of them if that is not enough. */
export function certify(
  network: NetworkId,
  set: ValidatorSet,
  height: number,
  id: Digest,
  isWilling: (name: string) => boolean = () => true,
): CommitCertificate {
  const blockId = toHex(id) as BlockId;
  const signatures = [];
  let power = 0n;
  for (const { node } of set.validators) {
    const name = keyName(node);
    if (!isWilling(name) || isQuorum(set, power)) continue;
    const validator = indexOf(set, node)!;
    const vote = { kind: 'precommit', height, round: 0, blockId, validRound: NO_ROUND, validator } as const;
    signatures.push({ validator, signature: signerNamed(name).sign(signBytes(network, vote)) });
    power += powerOf(set, validator);
  }
  return { kind: 'commit-certificate', height, round: 0, blockId, signatures };
}

export const timeOf = (height: number): number => STARTED_AT_MS + height * BLOCK_MS;

export function rulesAt(height: number, more: Partial<LightRules> = {}): LightRules {
  return {
    network: NETWORK,
    verify: nativeVerify,
    sha256: nativeSha256,
    nowMs: timeOf(height),
    trustPeriodMs: 14 * 24 * 3600_000,
    clockDriftMs: 10_000,
    ...more,
  };
}
