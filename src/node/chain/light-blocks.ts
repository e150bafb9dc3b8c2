// Light blocks of a node's own chain: what clients and nodes that catch up check everything else against. The set that decided a height
// is taken from the roles that the chain remembers, or for heights long gone from the sets that the state keeps, and only if it is the one
// that the header names.

import { z } from 'zod';
import { equal, toHex } from '../../base/bytes.ts';
import { bytesUpTo, decodeCanonical } from '../../base/codec.ts';
import { StoreError } from '../../base/errors.ts';
import type { Sha256 } from '../../base/hash.ts';
import { BLOCK_HEADER_LENGTH_MAX, BLOCK_LENGTH_MAX, LIGHT_BLOCKS_KEPT } from '../../base/limits.ts';
import type { ValidatorSet } from '../../consensus/types.ts';
import { validatorSetDigest } from '../../consensus/validator-set.ts';
import { encodeHeader, type Header } from '../../shards/header.ts';
import { type LightBlock, lightBlock } from '../../shards/light-block.ts';
import { asValidatorSet, entriesOf } from '../../shards/validator-sets.ts';
import { LoadedState, Overlay } from '../../shards/view.ts';
import { BoundedCache } from './bounded-cache.ts';
import type { Chain } from './chain.ts';
import { settle } from './settle.ts';
import type { ChainStore, Decided } from './types.ts';

export interface LightBlocksPorts {
  readonly chain: Pick<Chain, 'head' | 'rolesAt' | 'decision' | 'load'>;
  readonly store: Pick<ChainStore, 'oldestBlock'>;
  readonly sha256: Sha256;
}

/** Sets that are remembered: of the epochs that are asked about. */
const SETS_KEPT = 16;

export class LightBlocks {
  readonly #ports: LightBlocksPorts;
  readonly #blocks = new BoundedCache<number, LightBlock>(LIGHT_BLOCKS_KEPT);
  /** By the hex of their digests. */
  readonly #sets = new BoundedCache<string, ValidatorSet>(SETS_KEPT);

  constructor(ports: LightBlocksPorts) {
    this.#ports = ports;
  }

  /** What was just committed needs no reading. */
  remember({ block, certificate }: Decided): void {
    const { header } = block;
    const known = this.#knownSet(header);
    if (known === undefined) return;
    const { sha256 } = this.#ports;
    this.#blocks.set(header.height, lightBlock(encodeHeader(header), certificate, known, sha256));
  }

  /** Throws NOT_FOUND when the block is not here, or nobody here knows its validators any more. */
  async at(height: number): Promise<LightBlock> {
    const known = this.#blocks.get(height);
    if (known !== undefined && height >= this.#ports.store.oldestBlock) return known;
    const decision = await this.#ports.chain.decision(height);
    if (decision === undefined) throw this.noBlock(height);
    const { sha256 } = this.#ports;
    const unknown = lightBlock(headerBytesOf(decision.block), decision.certificate, NOBODY, sha256);
    const validators = this.#knownSet(unknown.header) ?? (await this.#keptSet(unknown.header));
    const light = { ...unknown, validators };
    this.#blocks.set(height, light);
    return light;
  }

  /** Says which heights are here. */
  noBlock(height: number): StoreError {
    const { chain, store } = this.#ports;
    const newest = chain.head.height;
    const kept =
      newest < store.oldestBlock
        ? 'the chain has no block here yet'
        : `blocks are kept from height ${store.oldestBlock} on, and the newest is ${newest}`;
    return new StoreError('NOT_FOUND', `block ${height} is not here: ${kept}`, {
      next: height > newest ? 'Wait for it, or ask another node.' : 'Ask a node that keeps more.',
    });
  }

  #knownSet({ height, validators }: Header): ValidatorSet | undefined {
    const name = toHex(validators);
    const known = this.#sets.get(name);
    if (known !== undefined) return known;
    const set = this.#ports.chain.rolesAt(height)?.validators;
    return set !== undefined && this.#isNamed(set, validators) ? this.#rememberSet(name, set) : undefined;
  }

  async #keptSet({ height, epoch, validators }: Header): Promise<ValidatorSet> {
    const { set } = await settle(this.#ports.chain, new LoadedState(), (loaded) => {
      const entries = entriesOf(new Overlay(loaded), epoch);
      return { set: entries === undefined ? undefined : asValidatorSet(entries) };
    });
    if (set !== undefined && this.#isNamed(set, validators)) return this.#rememberSet(toHex(validators), set);
    throw new StoreError('NOT_FOUND', `the validators of height ${height}, epoch ${epoch}, are forgotten`, {
      next: 'Start from a checkpoint of a later epoch that you trust.',
    });
  }

  #isNamed(set: ValidatorSet, digest: Uint8Array): boolean {
    return equal(validatorSetDigest(set, this.#ports.sha256), digest);
  }

  #rememberSet(name: string, set: ValidatorSet): ValidatorSet {
    this.#sets.set(name, set);
    return set;
  }
}

const NOBODY: ValidatorSet = { validators: [], totalPower: 0n };

const frameSchema = z.tuple([bytesUpTo(BLOCK_HEADER_LENGTH_MAX), bytesUpTo(BLOCK_LENGTH_MAX)]);

/** The header in the bytes of a block, whose body is left as it is. Throws INVALID_ENCODING. */
export function headerBytesOf(block: Uint8Array): Uint8Array {
  return decodeCanonical(frameSchema, block, BLOCK_LENGTH_MAX, 'block')[0];
}
