// A chain with the real ledger in memory: founded by a signed document, its blocks built and applied by the ledger's rules and signed by the
// validators that its state names. It keeps every state, and serves it with proofs as a node does.

import { toHex } from '../../../src/base/bytes.ts';
import { StoreError } from '../../../src/base/errors.ts';
import type { Digest, NetworkId, ShardId } from '../../../src/base/ids.ts';
import { merkleRoot, proveInclusion } from '../../../src/base/merkle.ts';
import { nativeSha256, nativeVerify } from '../../../src/runtime/crypto.ts';
import { applyBlock, type ChainContext } from '../../../src/shards/apply.ts';
import { type Block, decodeBlock } from '../../../src/shards/block.ts';
import { buildBlock } from '../../../src/shards/build.ts';
import {
  CHAIN_SERVICES,
  decodeHeight,
  decodeProve,
  decodeTransactionRequest,
  encodeDecision,
  encodeProveReply,
  encodeSubmitted,
  encodeTransactionReply,
  type TransactionReply,
} from '../../../src/shards/chain-messages.ts';
import {
  encodeFounding,
  firstHead,
  foundState,
  type FoundingDocument,
} from '../../../src/shards/founding.ts';
import { encodeHeader, type ShardHeader, shardHeaders } from '../../../src/shards/header.ts';
import { heightFacts } from '../../../src/shards/height-facts.ts';
import { LEDGER_RULES } from '../../../src/shards/ledger.ts';
import { encodeLightBlock, type LightBlock, lightBlock } from '../../../src/shards/light-block.ts';
import type { RefusalCode } from '../../../src/shards/operation.ts';
import { recordDigest } from '../../../src/shards/record.ts';
import type { StateKey } from '../../../src/shards/state-key.ts';
import {
  decodeTransaction,
  encodeTransaction,
  type SignedTransaction,
} from '../../../src/shards/transaction.ts';
import { EMPTY, headOf, type Tree, type TreeNode } from '../../../src/shards/tree/node.ts';
import type { NodeKey } from '../../../src/shards/tree/node-key.ts';
import { isUnder, shardPrefix, type StatePath } from '../../../src/shards/tree/path.ts';
import { provePaths, type StateProof } from '../../../src/shards/tree/proof.ts';
import { updateTree } from '../../../src/shards/tree/update.ts';
import { type Change, LoadedState, Overlay } from '../../../src/shards/view.ts';
import type { Services } from './fake-net.ts';
import { foundingOf, type LedgerOptions } from './founding-kit.ts';
import { certify } from './header-chain.ts';

interface Stored {
  readonly key: StateKey;
  readonly bytes: Uint8Array;
}

/** The state after a height. */
interface State {
  readonly records: ReadonlyMap<string, Stored>;
  readonly trees: readonly Tree[];
  readonly shards: readonly ShardHeader[];
  /** Of the next block. */
  readonly shardBits: number;
}

interface Place {
  readonly height: number;
  readonly index: number;
  readonly refusal: RefusalCode | undefined;
}

export class LedgerChain {
  readonly document: FoundingDocument;
  readonly network: NetworkId;
  /** By height; there is no block 0. */
  readonly blocks: Block[] = [];
  readonly lights: LightBlock[] = [];
  readonly states: State[] = [];
  readonly places: Map<string, Place> = new Map();
  readonly #nodes = new Map<NodeKey, TreeNode>();
  pending: SignedTransaction[] = [];
  timeMs: number;
  #listeners: (() => void)[] = [];

  constructor(options: LedgerOptions = {}) {
    this.document = foundingOf(options);
    this.network = this.document.signed.record.network;
    const head = firstHead(this.document, nativeSha256);
    this.timeMs = head.timeMs;
    const outboxes = Array.from({ length: 2 ** head.shardBits }, () => merkleRoot([], nativeSha256));
    const changes = foundState(this.document, nativeSha256);
    this.#push(new Map(), changes, head.shardBits, outboxes, head.shardBits);
  }

  get height(): number {
    return this.blocks.length;
  }

  state(height: number = this.height): Overlay {
    const { records } = this.states[height]!;
    return new Overlay({ read: (key) => records.get(key.text)?.bytes ?? null });
  }

  // ---- Blocks ----------------------------------------------------------------------------------------------------

  /** A block of what is pending, or of `candidates`. */
  step(candidates: readonly SignedTransaction[] = this.pending, afterMs = 1_000): Block {
    const context = this.#context();
    this.timeMs += afterMs;
    const { height } = this;
    const ingredients = {
      timeMs: this.timeMs,
      proposer: context.validators.validators[height % 4]!.node,
      reveal: null,
      evidence: [],
      lastCommit: this.lights[height - 1]?.certificate ?? null,
      candidates,
      proveKey: (key: StateKey) => this.prove(height, [key.path as Uint8Array as StatePath])[0]!,
    };
    const built = this.#loading((loaded) => buildBlock(loaded, ingredients, context));
    if (built.kind !== 'built') throw new Error('a block is built');
    const block = decodeBlock(built.block.bytes, LEDGER_RULES, nativeSha256);
    const applied = this.#loading((loaded) => applyBlock(loaded, block, context));
    if (applied.kind !== 'applied') throw new Error(`invalid block: ${JSON.stringify(applied)}`);
    this.blocks.push(block);
    const certificate = certify(this.network, context.validators, block.header.height, block.id);
    this.lights.push(lightBlock(encodeHeader(block.header), certificate, context.validators, nativeSha256));
    const refusals = new Map(
      applied.outcomes.flatMap((outcome) =>
        outcome.kind === 'transaction' ? [[toHex(outcome.id), outcome.refusal] as const] : [],
      ),
    );
    for (const [index, { id }] of block.body.transactions.entries()) {
      this.places.set(toHex(id), { height: block.header.height, index, refusal: refusals.get(toHex(id)) });
    }
    this.pending = this.pending.filter(({ id }) => !this.places.has(toHex(id)));
    const { records, shardBits } = this.states[height]!;
    this.#push(records, applied.changes, shardBits, applied.outboxRoots, applied.shardBits);
    for (const listener of this.#listeners.splice(0)) listener();
    return block;
  }

  run(blocks: number): this {
    for (let count = 0; count < blocks; count++) this.step();
    return this;
  }

  #context(): ChainContext {
    const { height } = this;
    const facts = heightFacts(this.state(), height + 1, nativeSha256);
    const { shards } = this.states[height]!;
    const head = firstHead(this.document, nativeSha256);
    const parent = {
      id: this.blocks[height - 1]?.id ?? head.id,
      height,
      timeMs: this.timeMs,
      shards,
      validators: this.lights[height - 1]?.validators,
    };
    return {
      ...facts,
      network: this.network,
      parent,
      rules: LEDGER_RULES,
      sha256: nativeSha256,
      verify: nativeVerify,
    };
  }

  #loading<T extends { readonly kind: string }>(
    run: (loaded: LoadedState) => T | { kind: 'missing'; keys: readonly StateKey[] },
  ): T {
    const loaded = new LoadedState();
    for (let round = 0; round < 100; round++) {
      const result = run(loaded);
      if (result.kind !== 'missing') return result as T;
      const { records } = this.states[this.height]!;
      for (const key of (result as { keys: readonly StateKey[] }).keys) {
        loaded.add(key, records.get(key.text)?.bytes ?? null);
      }
    }
    throw new Error('it asks for more and more');
  }

  #push(
    before: ReadonlyMap<string, Stored>,
    changes: readonly Change[],
    shardBits: number,
    outboxRoots: readonly Digest[],
    nextBits: number,
  ): void {
    const records = new Map(before);
    for (const { key, after } of changes) {
      if (after === null) records.delete(key.text);
      else records.set(key.text, { key, bytes: after });
    }
    const version = this.states.length;
    const old = this.states.at(-1);
    const isSame = old?.trees.length === 2 ** shardBits;
    const leaves = isSame ? changes.map(({ key, after }) => ({ key, bytes: after })) : [...records.values()];
    const trees = Array.from({ length: 2 ** shardBits }, (_, shard): Tree => {
      const prefix = shardPrefix(shard as ShardId, shardBits);
      const tree: Tree = isSame ? old.trees[shard]! : { prefix, top: EMPTY };
      const under = leaves
        .map(({ key, bytes }) => ({
          path: key.path as Uint8Array as StatePath,
          value: bytes === null ? null : recordDigest(bytes, nativeSha256),
        }))
        .filter(({ path }) => isUnder(path, prefix));
      const updated = updateTree(this.#nodes, tree, version, under, nativeSha256);
      if (updated.kind === 'missing') throw new Error('nodes are in memory');
      for (const { key, node } of updated.written) this.#nodes.set(key, node);
      return updated.tree;
    });
    const roots = trees.map((tree) => headOf(tree, nativeSha256).digest);
    this.states.push({
      records,
      trees,
      shards: shardHeaders(shardBits, roots, outboxRoots),
      shardBits: nextBits,
    });
  }

  prove(height: number, paths: readonly StatePath[]): StateProof[] {
    const { trees } = this.states[height]!;
    return paths.map((path) => {
      const tree = trees.find(({ prefix }) => isUnder(path, prefix))!;
      const proved = provePaths(this.#nodes, tree, [path], nativeSha256);
      if (proved.kind === 'missing') throw new Error('nodes are in memory');
      return proved.proofs[0]!;
    });
  }

  // ---- As a node -------------------------------------------------------------------------------------------------

  /** Resolves with the next block, or after a moment without one. */
  next(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.min(waitMs, 50));
      this.#listeners.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  take(bytes: Uint8Array): SignedTransaction {
    const signed = decodeTransaction(bytes, LEDGER_RULES.operations, nativeSha256);
    if (
      !this.places.has(toHex(signed.id)) &&
      !this.pending.some(({ id }) => toHex(id) === toHex(signed.id))
    ) {
      this.pending.push(signed);
    }
    return signed;
  }

  /** A node that has blocks up to `head`, and states of the last sixteen. */
  services(
    options: { head?: () => number; onSubmit?: (signed: SignedTransaction) => void; kept?: number } = {},
  ): Services {
    const { head = () => this.height, onSubmit, kept = 16 } = options;
    const light = (height: number): Uint8Array => {
      const found = height <= head() ? this.lights[height - 1] : undefined;
      if (found === undefined) throw new StoreError('NOT_FOUND', `height ${height} is not here`);
      return encodeLightBlock(found);
    };
    return {
      [CHAIN_SERVICES.founding]: () => encodeFounding(this.document),
      [CHAIN_SERVICES.head]: () => light(head()),
      [CHAIN_SERVICES.light]: (header) => light(decodeHeight(header, 'test')),
      [CHAIN_SERVICES.block]: (header) => {
        const height = decodeHeight(header, 'test');
        if (height < 1 || height > head()) throw new StoreError('NOT_FOUND', `height ${height} is not here`);
        const { certificate } = this.lights[height - 1]!;
        return encodeDecision({ block: this.blocks[height - 1]!.bytes, certificate });
      },
      [CHAIN_SERVICES.prove]: async (header) => {
        const { paths, atLeast, exactly, waitMs, isHeaderKnown } = decodeProve(header);
        if (head() < atLeast && waitMs > 0) await this.next(waitMs);
        const height = exactly ?? head();
        if (height < atLeast || height > head() || height <= head() - kept) {
          throw new StoreError('NOT_FOUND', `header ${height} proves nothing here`);
        }
        const { records, shards } = this.states[height - 1]!;
        const framing = isHeaderKnown ? undefined : { light: this.lights[height - 1]!, shards };
        const found = paths.map((path) => records.get(toHex(path))?.bytes ?? null);
        return encodeProveReply({ height, framing, records: found, proofs: this.prove(height - 1, paths) });
      },
      [CHAIN_SERVICES.submit]: (_header, body) => {
        const signed = this.take(body);
        onSubmit?.(signed);
        return encodeSubmitted(signed.id);
      },
      [CHAIN_SERVICES.transaction]: async (header) => {
        const { id, waitMs } = decodeTransactionRequest(header);
        if (!this.#isIn(id, head()) && waitMs > 0) await this.next(waitMs);
        if (!this.#isIn(id, head())) throw new StoreError('NOT_FOUND', 'no such transaction');
        return encodeTransactionReply(this.placeOf(id));
      },
    };
  }

  #isIn(id: Digest, head: number): boolean {
    return (this.places.get(toHex(id))?.height ?? Number.POSITIVE_INFINITY) <= head;
  }

  placeOf(id: Digest): TransactionReply {
    const { height, index, refusal } = this.places.get(toHex(id))!;
    const { transactions } = this.blocks[height - 1]!.body;
    const ids = transactions.map((each) => each.id);
    const path = proveInclusion(ids, index, nativeSha256);
    const bytes = encodeTransaction(transactions[index]!, LEDGER_RULES.operations);
    return { light: this.lights[height - 1]!, index, count: ids.length, path, refusal, bytes };
  }
}
