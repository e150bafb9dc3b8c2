// Records of one state, loaded as they are needed and proven as they come. All of them are of the state after one height, whoever sends
// them, so that whoever reads sees a state that there was.

import { StoreError } from '../../base/errors.ts';
import type { Sha256 } from '../../base/hash.ts';
import type { NodeId } from '../../base/ids.ts';
import {
  PROVE_REPLY_LENGTH_MAX,
  PROVEN_PATHS_MAX,
  READ_LENGTH_MAX,
  READ_REQUESTS_AT_ONCE,
} from '../../base/limits.ts';
import {
  CHAIN_SERVICES,
  decodeProveReply,
  encodeProve,
  type ProveReply,
  type ProveRequest,
} from '../../shards/chain-messages.ts';
import type { ShardHeader } from '../../shards/header.ts';
import type { LightBlock } from '../../shards/light-block.ts';
import type { StateKey } from '../../shards/state-key.ts';
import type { StatePath } from '../../shards/tree/path.ts';
import { LoadedState } from '../../shards/view.ts';
import { forEachAtMost } from '../tasks.ts';
import type { LightClient } from './light-client.ts';
import { recordProblem, shardsProblem } from './proven-records.ts';
import { judged, Lie, type Providers } from './providers.ts';
import type { Moment } from './types.ts';

/** Beside a record's bytes: its key, and what a map takes. */
const RECORD_OVERHEAD = 128;

const pathsOf = (keys: readonly StateKey[]): readonly StatePath[] =>
  keys.map(({ path }) => path as Uint8Array as StatePath);

export class Snapshot {
  readonly light: LightBlock;
  readonly loaded: LoadedState = new LoadedState();
  readonly #shards: readonly ShardHeader[];
  readonly #sha256: Sha256;
  /** Who had it last. */
  #node: NodeId;
  #length = 0;

  private constructor(light: LightBlock, shards: readonly ShardHeader[], node: NodeId, sha256: Sha256) {
    this.light = light;
    this.#shards = shards;
    this.#node = node;
    this.#sha256 = sha256;
  }

  /** Height of the header; the state is the one after the height before. */
  get height(): number {
    return this.light.header.height;
  }

  get moment(): Moment {
    return momentOf(this.light);
  }

  get isFull(): boolean {
    return this.#length > READ_LENGTH_MAX;
  }

  /**
   * The newest state that a node has, proven by a header of height `least` or above, with the first of `keys` loaded. Throws NOT_FOUND when there
   * is none within `waitMs`, and what asking throws.
   */
  static async open(
    light: LightClient,
    sha256: Sha256,
    keys: readonly StateKey[],
    least: { readonly height: number; readonly waitMs: number; readonly attempts?: number },
    signal?: AbortSignal,
  ): Promise<Snapshot> {
    const first = keys.slice(0, PROVEN_PATHS_MAX);
    const { height: atLeast, waitMs } = least;
    const request = { paths: pathsOf(first), atLeast, exactly: undefined, waitMs, isHeaderKnown: false };
    const { value } = await light.providers.first(
      `the state under header ${atLeast} or later`,
      async (node) => {
        const { height, framing, ...reply } = await askProof(light.providers, node, request, sha256, signal);
        if (framing?.light.header.height !== height || height < atLeast) throw new Lie('no such header');
        const problem = shardsProblem(framing.light.header, framing.shards, sha256);
        if (problem !== undefined) throw new Lie(problem);
        const snapshot = new Snapshot(framing.light, framing.shards, node, sha256);
        snapshot.#take(first, reply);
        await light.follow(framing.light, node, signal);
        return snapshot;
      },
      least.attempts === undefined ? {} : { attempts: least.attempts },
    );
    return value;
  }

  /** Loads `keys` too. Throws NOT_FOUND when no node has this state any more, and what asking throws. */
  async load(providers: Providers, keys: readonly StateKey[], signal?: AbortSignal): Promise<void> {
    const missing = keys.filter((key) => !this.loaded.has(key));
    const batches: StateKey[][] = [];
    for (let from = 0; from < missing.length; from += PROVEN_PATHS_MAX) {
      batches.push(missing.slice(from, from + PROVEN_PATHS_MAX));
    }
    await forEachAtMost(batches, READ_REQUESTS_AT_ONCE, async (batch) => {
      if (this.isFull)
        throw new StoreError('UNSUPPORTED', `reading takes more than ${READ_LENGTH_MAX} bytes of records`);
      await this.#loadBatch(providers, batch, signal);
    });
  }

  async #loadBatch(providers: Providers, keys: readonly StateKey[], signal?: AbortSignal): Promise<void> {
    const { height } = this;
    const request = {
      paths: pathsOf(keys),
      atLeast: height,
      exactly: height,
      waitMs: 0,
      isHeaderKnown: true,
    };
    const { node } = await providers.first(
      `the state under header ${height}`,
      async (asked) => {
        const reply = await askProof(providers, asked, request, this.#sha256, signal);
        if (reply.height !== height) throw new Lie('no such header');
        this.#take(keys, reply);
      },
      { first: this.#node },
    );
    this.#node = node;
  }

  /** Keeps nothing unless all of it is proven. Throws Lie. */
  #take(keys: readonly StateKey[], { records, proofs }: Pick<ProveReply, 'records' | 'proofs'>): void {
    if (records.length !== keys.length) throw new Lie(`${records.length} records for ${keys.length} paths`);
    for (const [index, path] of pathsOf(keys).entries()) {
      const problem = recordProblem(this.#shards, path, records[index]!, proofs[index]!, this.#sha256);
      if (problem !== undefined) throw new Lie(problem);
    }
    for (const [index, key] of keys.entries()) {
      const record = records[index]!;
      this.loaded.add(key, record);
      this.#length += RECORD_OVERHEAD + (record?.length ?? 0);
    }
  }
}

function momentOf({ header }: LightBlock): Moment {
  return { height: header.height - 1, timeMs: header.timeMs, epoch: header.epoch };
}

/** What a node sends in answer, of which nothing is checked but its form. Throws Lie, and what asking throws. */
export async function askProof(
  providers: Providers,
  node: NodeId,
  request: ProveRequest,
  sha256: Sha256,
  signal: AbortSignal | undefined,
): Promise<ProveReply> {
  const body = await providers.ask(node, {
    service: CHAIN_SERVICES.prove,
    header: encodeProve(request),
    maxBodyLength: PROVE_REPLY_LENGTH_MAX,
    waitMs: request.waitMs,
    signal,
  });
  return judged(() => decodeProveReply(body, sha256));
}
