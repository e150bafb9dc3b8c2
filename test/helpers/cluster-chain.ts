// A chain for networks in memory: it is founded by a real document, its states are proven, and its headers are signed by all validators. What
// happens in it is not executed but written by the test: membership moves on as the test says. Of transactions it takes those that register objects and
// delete them, each in a block of its own, and believes whoever signed them.

import { toHex } from '../../src/base/bytes.ts';
import { epochDigest, type EpochRecord, type SignedEpoch } from '../../src/base/epoch.ts';
import { StoreError } from '../../src/base/errors.ts';
import type { Digest, Epoch, ObjectId, OperatorId, OwnerId, ShardId } from '../../src/base/ids.ts';
import { SHARD_BITS_MAX, TRANSACTION_LENGTH_MAX } from '../../src/base/limits.ts';
import { merkleRoot } from '../../src/base/merkle.ts';
import type { Service, Signer } from '../../src/base/ports.ts';
import { signBytes } from '../../src/consensus/sign-bytes.ts';
import { type BlockId, NO_ROUND, type ValidatorSet } from '../../src/consensus/types.ts';
import { validatorSetDigest } from '../../src/consensus/validator-set.ts';
import { nativeSha256 } from '../../src/runtime/crypto.ts';
import {
  CHAIN_SERVICES,
  decodeHeight,
  decodeProve,
  decodeTransactionRequest,
  encodeProveReply,
  encodeSubmitted,
  encodeTransactionReply,
} from '../../src/shards/chain-messages.ts';
import { accountOf, putAccount } from '../../src/shards/account.ts';
import { epochStateOf, putEpochState } from '../../src/shards/epoch-state.ts';
import {
  encodeFounding,
  firstHead,
  type FoundingDocument,
  foundState,
  signFounding,
} from '../../src/shards/founding.ts';
import { encodeHeader, type Header, headerId, shardHeaders, shardsRootOf } from '../../src/shards/header.ts';
import { heightFacts } from '../../src/shards/height-facts.ts';
import { LEDGER_RULES } from '../../src/shards/ledger.ts';
import { encodeLightBlock, type LightBlock, lightBlock } from '../../src/shards/light-block.ts';
import { epochRecordOf, putMembers } from '../../src/shards/members.ts';
import { DEFAULT_PARAMETERS, parametersOf } from '../../src/shards/parameters.ts';
import {
  appendSegments,
  dropSegments,
  objectKey,
  objectOf,
  type ObjectRecord,
  putObject,
} from '../../src/shards/object-record.ts';
import type { AddSegments } from '../../src/shards/operations/add-segments.ts';
import type { RegisterObject } from '../../src/shards/operations/register-object.ts';
import { decodeTransaction, type Transaction } from '../../src/shards/transaction.ts';
import { recordDigest } from '../../src/shards/record.ts';
import { currentEpochRecord } from '../../src/shards/storage-members.ts';
import { EMPTY, headOf, type Tree, type TreeNode } from '../../src/shards/tree/node.ts';
import type { NodeKey } from '../../src/shards/tree/node-key.ts';
import { isUnder, shardPrefix, type StatePath } from '../../src/shards/tree/path.ts';
import { provePaths, type StateProof } from '../../src/shards/tree/proof.ts';
import { updateTree } from '../../src/shards/tree/update.ts';
import { type Change, Overlay } from '../../src/shards/view.ts';

interface State {
  readonly records: ReadonlyMap<string, Uint8Array>;
  readonly trees: readonly Tree[];
}

/** The account of an operator whom the founding record names by a word. */
export const clusterAccount = (operator: string): OwnerId =>
  nativeSha256(new TextEncoder().encode(`account of ${operator}`)) as Uint8Array as OwnerId;

function perform(state: Overlay, { sender, action }: Transaction, height: number): void {
  const { object } = action.parameters as { readonly object: ObjectId };
  const before = objectOf(state, object);
  if (action.kind === 'delete-object' && before !== undefined) {
    dropSegments(state, object, before, Number.POSITIVE_INFINITY);
    state.remove(objectKey(object));
  }
  if (action.kind === 'add-segments' && before !== undefined) {
    const { segments } = action.parameters as AddSegments;
    putObject(state, object, appendSegments(state, object, before, segments));
  }
  if (action.kind !== 'register-object' || before !== undefined) return;
  const { salt, shape, keyCheck, manifest, expiresAtMs, segments } = action.parameters as RegisterObject;
  const { digest, lengthBytes, confirmations } = manifest;
  const empty: ObjectRecord = {
    owner: sender,
    salt,
    shape,
    keyCheck,
    manifest: { digest, lengthBytes, holders: confirmations.map(([node]) => node) },
    registered: 0,
    registeredAtHeight: height,
    expiresAtMs,
    isLeaving: false,
    deposits: [],
  };
  putObject(state, object, appendSegments(state, object, empty, segments));
}

export class ClusterChain {
  readonly founding: FoundingDocument;
  readonly #signers: ReadonlyMap<string, Signer>;
  readonly #validators: ValidatorSet;
  readonly #nodes = new Map<NodeKey, TreeNode>();
  /** By height; header h + 1 is of the state after h. */
  readonly #states: State[] = [];
  readonly #lights: LightBlock[] = [];
  readonly #shardBits: number;
  /** By id in hex. */
  readonly #taken = new Map<string, { readonly height: number; readonly bytes: Uint8Array }>();
  /** It takes transactions and makes no blocks of them. */
  isHalted = false;

  constructor(signed: SignedEpoch, signers: readonly Signer[], genesisSigner: Signer) {
    const { members, params } = signed.record;
    const operators = [...new Set(members.map(({ operator }) => operator))];
    this.#signers = new Map(signers.map((signer) => [toHex(signer.publicKey), signer]));
    this.#shardBits = params.shardBits;
    this.founding = signFounding(
      signed,
      {
        parameters: {
          ...DEFAULT_PARAMETERS,
          sharding: { ...DEFAULT_PARAMETERS.sharding, bitsMax: SHARD_BITS_MAX },
        },
        operators: operators.map((operator) => [operator as OperatorId, clusterAccount(operator)]),
        balances: [],
        chains: [],
      },
      genesisSigner,
      nativeSha256,
    );
    this.#push(foundState(this.founding, nativeSha256));
    this.#validators = heightFacts(this.#state(), 1, nativeSha256).validators;
    this.#seal();
  }

  /** Of the newest header. */
  get height(): number {
    return this.#lights.length;
  }

  /** The record of the epoch that runs. */
  record(): EpochRecord {
    return currentEpochRecord(this.#state(), this.founding.signed.record.network);
  }

  /** The next epoch begins, with these members. */
  nextEpoch(members: EpochRecord['members'] = this.record().members): EpochRecord {
    const state = this.#state();
    const before = epochStateOf(state);
    const { network } = this.founding.signed.record;
    const epoch = (before.epoch + 1) as Epoch;
    const { seed, shardBits, membersDigest } = before;
    const header = { network, epoch, previous: membersDigest, seed, shardBits };
    const record = epochRecordOf(parametersOf(state), header, members);
    putMembers(state, record.members, before.memberCount);
    const starts = [...before.starts, { height: this.height + 1, timeMs: Date.now() }];
    putEpochState(state, {
      ...before,
      epoch,
      membersDigest: epochDigest(record, nativeSha256),
      previousDigest: membersDigest,
      memberCount: record.members.length,
      starts,
    });
    this.#push(state.changes());
    this.#seal();
    return record;
  }

  /** What the newest state says, and what a test writes into it. */
  write<T>(change: (state: Overlay) => T): T {
    const state = this.#state();
    const result = change(state);
    this.#push(state.changes());
    this.#seal();
    return result;
  }

  #take(bytes: Uint8Array): Digest {
    const { id, transaction } = decodeTransaction(bytes, LEDGER_RULES.operations, nativeSha256);
    if (this.isHalted || this.#taken.has(toHex(id))) return id;
    const { sender, nonce } = transaction;
    const account = accountOf(this.#state(), sender);
    if (nonce !== account.nonce) throw new StoreError('ALREADY_EXISTS', 'the nonce is used');
    // The header that has it comes before the one that proves what it did.
    this.#push([]);
    this.#seal([id]);
    this.#taken.set(toHex(id), { height: this.height, bytes });
    this.write((state) => {
      putAccount(state, sender, { ...account, nonce: nonce + 1 });
      perform(state, transaction, this.height);
    });
    return id;
  }

  #state(): Overlay {
    const { records } = this.#states.at(-1)!;
    return new Overlay({ read: (key) => records.get(toHex(key.path)) ?? null });
  }

  #push(changes: readonly Change[]): void {
    const before = this.#states.at(-1);
    const records = new Map(before?.records ?? []);
    for (const { key, after } of changes) {
      if (after === null) records.delete(toHex(key.path));
      else records.set(toHex(key.path), after);
    }
    const trees = Array.from({ length: 2 ** this.#shardBits }, (_, shard): Tree => {
      const prefix = shardPrefix(shard as ShardId, this.#shardBits);
      const leaves = changes
        .map(({ key, after }) => ({
          path: key.path as Uint8Array as StatePath,
          value: after === null ? null : recordDigest(after, nativeSha256),
        }))
        .filter(({ path }) => isUnder(path, prefix));
      const tree = before?.trees[shard] ?? { prefix, top: EMPTY };
      const updated = updateTree(this.#nodes, tree, this.#states.length, leaves, nativeSha256);
      if (updated.kind === 'missing') throw new Error('nodes are in memory');
      for (const { key, node } of updated.written) this.#nodes.set(key, node);
      return updated.tree;
    });
    this.#states.push({ records, trees });
  }

  #shards(height: number): ReturnType<typeof shardHeaders> {
    const { trees } = this.#states[height]!;
    const roots = trees.map((tree) => headOf(tree, nativeSha256).digest);
    const outboxes = roots.map(() => merkleRoot([], nativeSha256));
    return shardHeaders(this.#shardBits, roots, outboxes);
  }

  /** A header over the newest state. */
  #seal(transactions: readonly Digest[] = []): void {
    const height = this.#states.length;
    const parent = this.#lights.at(-1);
    const shards = this.#shards(height - 1);
    const nothing = merkleRoot([], nativeSha256);
    const validators = validatorSetDigest(this.#validators, nativeSha256);
    const header: Header = {
      network: this.founding.signed.record.network,
      height,
      epoch: epochStateOf(this.#state()).epoch,
      timeMs: Math.max(
        Date.now(),
        (parent?.header.timeMs ?? firstHead(this.founding, nativeSha256).timeMs) + 1,
      ),
      parent: parent?.id ?? firstHead(this.founding, nativeSha256).id,
      lastCommit: new Uint8Array(32) as Digest,
      validators,
      nextValidators: validators,
      shardBits: this.#shardBits,
      stateRoot: merkleRoot(
        shards.map(({ stateRoot }) => stateRoot),
        nativeSha256,
      ),
      shardsRoot: shardsRootOf(shards, nativeSha256),
      transactionsRoot: merkleRoot(transactions, nativeSha256),
      receiptsRoot: nothing,
      evidenceRoot: nothing,
      body: nothing,
      proposer: this.#validators.validators[0]!.node,
      reveal: null,
    };
    const bytes = encodeHeader(header);
    const blockId = toHex(headerId(bytes, nativeSha256)) as BlockId;
    const signatures = this.#validators.validators.map(({ node }, validator) => {
      const vote = {
        kind: 'precommit',
        height,
        round: 0,
        blockId,
        validRound: NO_ROUND,
        validator,
      } as const;
      const signature = this.#signers.get(toHex(node))!.sign(signBytes(header.network, vote));
      return { validator, signature };
    });
    const certificate = { kind: 'commit-certificate', height, round: 0, blockId, signatures } as const;
    this.#lights.push(lightBlock(bytes, certificate, this.#validators, nativeSha256));
  }

  #prove(height: number, paths: readonly StatePath[]): StateProof[] {
    const { trees } = this.#states[height]!;
    return paths.map((path) => {
      const tree = trees.find(({ prefix }) => isUnder(path, prefix))!;
      const proved = provePaths(this.#nodes, tree, [path], nativeSha256);
      if (proved.kind === 'missing') throw new Error('nodes are in memory');
      return proved.proofs[0]!;
    });
  }

  // ---- As a node -----------------------------------------------------------------------------------------------

  /** The services of a node that has blocks up to `head()`. */
  services(head: () => number = () => this.height): readonly Service[] {
    const light = (height: number): LightBlock => {
      const found = height <= head() ? this.#lights[height - 1] : undefined;
      if (found === undefined) throw new StoreError('NOT_FOUND', `height ${height} is not here`);
      return found;
    };
    const answers: Readonly<Record<string, (header: Uint8Array, body: Uint8Array) => Uint8Array>> = {
      [CHAIN_SERVICES.founding]: () => encodeFounding(this.founding),
      [CHAIN_SERVICES.head]: () => encodeLightBlock(light(head())),
      [CHAIN_SERVICES.light]: (header) => encodeLightBlock(light(decodeHeight(header, 'test'))),
      [CHAIN_SERVICES.prove]: (header) => {
        const { paths, atLeast, exactly, isHeaderKnown } = decodeProve(header);
        const height = exactly ?? head();
        if (height < atLeast) throw new StoreError('NOT_FOUND', `header ${height} proves nothing here`);
        const framing = { light: light(height), shards: this.#shards(height - 1) };
        const { records } = this.#states[height - 1]!;
        return encodeProveReply({
          height,
          framing: isHeaderKnown ? undefined : framing,
          records: paths.map((path) => records.get(toHex(path)) ?? null),
          proofs: this.#prove(height - 1, paths),
        });
      },
      [CHAIN_SERVICES.submit]: (_header, body) => encodeSubmitted(this.#take(body)),
      [CHAIN_SERVICES.transaction]: (header) => {
        const { id } = decodeTransactionRequest(header);
        const taken = this.#taken.get(toHex(id));
        if (taken === undefined || taken.height > head())
          throw new StoreError('NOT_FOUND', 'no such transaction');
        const place = { light: light(taken.height), index: 0, count: 1, path: [], refusal: undefined };
        return encodeTransactionReply({ ...place, bytes: taken.bytes });
      },
    };
    return Object.entries(answers).map(([name, answer]) => ({
      name,
      maxHeaderLength: 64 * 1024,
      maxBodyLength: name === CHAIN_SERVICES.submit ? TRANSACTION_LENGTH_MAX : 0,
      timeoutMs: 10_000,
      maxConcurrentPerPeer: 1000,
      maxPerSecondPerPeer: 1_000_000,
      handle: async (_from, header, body) => ({ header: new Uint8Array(0), body: [answer(header, body)] }),
    }));
  }
}
