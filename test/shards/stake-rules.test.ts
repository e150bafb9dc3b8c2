// Stake inside real blocks of one shard: built, sent as bytes, applied with nothing loaded beforehand.

import { describe, expect, test } from 'vitest';
import { equal, toHex } from '../../src/base/bytes.ts';
import { DIGEST_LENGTH, type Digest } from '../../src/base/ids.ts';
import { merkleRoot } from '../../src/base/merkle.ts';
import { revealChain, nextReveal, type RevealChain } from '../../src/consensus/beacon.ts';
import { commitCertificate } from '../../src/consensus/certificate.ts';
import { proposerAt } from '../../src/consensus/proposer.ts';
import { signBytes } from '../../src/consensus/sign-bytes.ts';
import type { BlockId, CommitCertificate, Evidence, ValidatorSet } from '../../src/consensus/types.ts';
import { nativeSha256, nativeVerify } from '../../src/runtime/crypto.ts';
import { accountOf } from '../../src/shards/account.ts';
import { type Applied, applyBlock, type ChainContext, type Invalid } from '../../src/shards/apply.ts';
import { type Block, decodeBlock } from '../../src/shards/block.ts';
import { buildBlock, type Ingredients } from '../../src/shards/build.ts';
import { auditChanges, isConserved } from '../../src/shards/conservation.ts';
import { scheduleOf } from '../../src/shards/epoch-border.ts';
import { writeGenesis } from '../../src/shards/genesis-state.ts';
import { shardHeaders } from '../../src/shards/header.ts';
import { heightFacts } from '../../src/shards/height-facts.ts';
import { LEDGER_RULES } from '../../src/shards/ledger.ts';
import { convicting } from '../../src/shards/offences.ts';
import { contributorOf, turnsOf } from '../../src/shards/turns.ts';
import type { StateKey } from '../../src/shards/state-key.ts';
import { signTransaction, type SignedTransaction } from '../../src/shards/transaction.ts';
import { LoadedState, Overlay } from '../../src/shards/view.ts';
import { nodeWithKey } from '../../src/shards/node.ts';
import { proveKey } from '../../src/shards/key-proof.ts';
import { digestFrom } from '../helpers/records.ts';
import type { OwnerId } from '../../src/base/ids.ts';
import { foundingOf, idOf, keyNamed, nameOf, NETWORK, PLAIN } from './stake-kit.ts';

const NO_ROOT = new Uint8Array(DIGEST_LENGTH) as Digest;

/** Operators' accounts are keys of their own, so that they can sign. */
const account = (name: string): OwnerId => keyNamed(`account ${name}`).publicKey as OwnerId;

class Chain {
  readonly records: Map<string, { readonly key: StateKey; readonly bytes: Uint8Array }> = new Map();
  readonly chains: Map<string, RevealChain> = new Map();
  height = 0;
  timeMs = 1_000_000;
  #parentId: Digest = NETWORK as Uint8Array as Digest;
  #parentSet: ValidatorSet | undefined;
  #outboxRoots: readonly Digest[] = [merkleRoot([], nativeSha256)];
  readonly #nonces = new Map<string, number>();

  constructor() {
    const founding = foundingOf();
    const names = ['n0', 'n1', 'n2', 'n3'];
    for (const name of names) {
      const owner = { network: NETWORK, node: idOf(name) };
      this.chains.set(name, revealChain(owner, digestFrom(`secret ${name}`), 100, nativeSha256));
    }
    const overlay = new Overlay({ read: () => null });
    writeGenesis(overlay, {
      ...founding,
      operators: new Map([...founding.operators.keys()].map((name) => [name, account(name)])),
      balances: ['o0', 'o1', 'o2', 'o3', 'alice'].map((name) => [account(name), [[0, 10_000n]]]),
      chains: names.map((name) => [idOf(name), this.chains.get(name)!.commitment]),
    });
    for (const { key, after } of overlay.changes()) this.records.set(key.text, { key, bytes: after! });
  }

  get state(): Overlay {
    return new Overlay({ read: (key) => this.records.get(key.text)?.bytes ?? null });
  }

  context(): ChainContext {
    const facts = heightFacts(this.state, this.height + 1, nativeSha256);
    return {
      ...facts,
      network: NETWORK,
      parent: {
        id: this.#parentId,
        height: this.height,
        timeMs: this.timeMs,
        shards: shardHeaders(0, [NO_ROOT], this.#outboxRoots),
        validators: this.#parentSet,
      },
      rules: LEDGER_RULES,
      sha256: nativeSha256,
      verify: nativeVerify,
    };
  }

  sign(name: string, kind: string, parameters: unknown): SignedTransaction {
    const nonce = this.#nonces.get(name) ?? 0;
    this.#nonces.set(name, nonce + 1);
    const action = { kind, parameters };
    const body = { network: NETWORK, sender: account(name), nonce, fee: 0n, expiresAtHeight: 1000, action };
    return signTransaction(body, LEDGER_RULES.operations, keyNamed(`account ${name}`), nativeSha256);
  }

  /** The proposer whose turn it is, with its reveal. */
  ingredients(candidates: readonly SignedTransaction[], lastRound: number): Ingredients {
    const { state } = this;
    const schedule = scheduleOf(state, { sha256: nativeSha256 });
    const { validators } = heightFacts(state, this.height + 1);
    const proposer = validators.validators[proposerAt(schedule, this.height + 1, 0)]!.node;
    const position = contributorOf(state, proposer)?.current;
    const chain = this.chains.get(nameOf(proposer));
    const reveal = chain === undefined || position === undefined ? undefined : nextReveal(chain, position);
    return {
      timeMs: this.timeMs + 1000,
      proposer,
      reveal: reveal ?? null,
      evidence: [],
      lastCommit: this.height === 0 ? null : this.#commitOf(lastRound),
      candidates,
      proveKey: () => {
        throw new Error('one shard needs no proofs');
      },
    };
  }

  #commitOf(round: number): CommitCertificate {
    const votes = this.#parentSet!.validators.map(({ node }, validator) => {
      const blockId = toHex(this.#parentId) as BlockId;
      const vote = {
        kind: 'precommit',
        height: this.height,
        round,
        blockId,
        validRound: -1,
        validator,
      } as const;
      return { ...vote, signature: keyNamed(nameOf(node)).sign(signBytes(NETWORK, vote)) };
    });
    return commitCertificate(votes);
  }

  #rounds<T extends { readonly kind: string }>(
    attempt: (loaded: LoadedState) => T | { readonly kind: 'missing'; readonly keys: readonly StateKey[] },
  ): T {
    const loaded = new LoadedState();
    for (let round = 0; round < 50; round++) {
      const result = attempt(loaded);
      if (result.kind !== 'missing') return result as T;
      const { keys } = result as { readonly keys: readonly StateKey[] };
      for (const key of keys) loaded.add(key, this.records.get(key.text)?.bytes ?? null);
    }
    throw new Error('it asks for more and more');
  }

  try(block: Block): Applied | Invalid {
    return this.#rounds<Applied | Invalid>((loaded) => applyBlock(loaded, block, this.context()));
  }

  build(
    candidates: readonly SignedTransaction[] = [],
    lastRound = 0,
    more: Partial<Ingredients> = {},
  ): Block {
    const ingredients = { ...this.ingredients(candidates, lastRound), ...more };
    const built = this.#rounds((loaded) => buildBlock(loaded, ingredients, this.context()));
    return (built as { readonly block: Block }).block;
  }

  step(
    candidates: readonly SignedTransaction[] = [],
    lastRound = 0,
    more: Partial<Ingredients> = {},
  ): Applied {
    const sent = this.build(candidates, lastRound, more);
    const block = decodeBlock(sent.bytes, LEDGER_RULES, nativeSha256);
    const { validators } = this.context();
    const applied = this.try(block);
    if (applied.kind === 'invalid') throw new Error(`${applied.problem}: ${applied.detail}`);
    expect(isConserved(auditChanges(applied.changes, LEDGER_RULES.holdings))).toBe(true);
    for (const { key, after } of applied.changes) {
      if (after === null) this.records.delete(key.text);
      else this.records.set(key.text, { key, bytes: after });
    }
    this.#parentId = block.id;
    this.#parentSet = validators;
    this.#outboxRoots = applied.outboxRoots;
    this.height += 1;
    this.timeMs = block.header.timeMs;
    return applied;
  }
}

describe('blocks', () => {
  test('carry a newcomer from registration to a vote and a place among the members', () => {
    const chain = new Chain();
    const key = idOf('new');
    const proof = proveKey(NETWORK, account('alice'), keyNamed('new'));
    const register = chain.sign('alice', 'register-node', { key, proof, data: PLAIN, amount: 500n });
    const { outcomes } = chain.step([register]);
    expect(outcomes.length).toBe(1);
    expect(nodeWithKey(chain.state, key)?.bonded).toEqual([[0, 500n]]);
    while (chain.height < 20) chain.step();
    const { epoch, validators } = heightFacts(chain.state, 21);
    expect(epoch).toBe(2);
    expect(validators.validators.some(({ node, power }) => equal(node, key) && power === 500n)).toBe(true);
    expect(nodeWithKey(chain.state, key)?.admissionSeed).not.toBe(null);
    // The next header names the set that decides the block after it.
    for (let more = 0; more < 3; more++) chain.step();
  });

  test('with a proposer that is no validator, or a wrong reveal, are not made', () => {
    const chain = new Chain();
    expect(() => chain.build([], 0, { proposer: idOf('stranger') })).toThrow();
    expect(() => chain.build([], 0, { reveal: digestFrom('guess') })).toThrow();
  });

  test('count the turns that a late decision shows, and a reveal that is kept back', () => {
    const chain = new Chain();
    chain.step();
    const schedule = scheduleOf(chain.state, { sha256: nativeSha256 });
    const late = [0, 1].map((round) => proposerAt(schedule, 1, round));
    chain.step([], 2);
    const { turns } = turnsOf(chain.state);
    const expected = (index: number): number => late.filter((each) => each === index).length;
    expect(turns.map(({ missed }) => missed)).toEqual([0, 1, 2, 3].map(expected));
    chain.step([], 0, { reveal: null });
    const missed = turnsOf(chain.state).turns.reduce((sum, each) => sum + each.missed, 0);
    expect(missed).toBe(3);
  });

  test('carry evidence, and the proposer is paid for it; what proves nothing makes them invalid', () => {
    const chain = new Chain();
    chain.step();
    const { validators } = heightFacts(chain.state, 1);
    const vote = (blockId: string) => {
      const unsigned = {
        kind: 'precommit',
        height: 1,
        round: 0,
        blockId: blockId as BlockId,
        validRound: -1,
        validator: 0,
      } as const;
      const signer = keyNamed(nameOf(validators.validators[0]!.node));
      return { ...unsigned, signature: signer.sign(signBytes(NETWORK, unsigned)) };
    };
    const evidence: Evidence = {
      kind: 'double-vote',
      first: vote('aa'.repeat(32)),
      second: vote('bb'.repeat(32)),
    };
    const again: Evidence = { ...evidence, second: vote('cc'.repeat(32)) };
    const context = { ...chain.context(), height: 2, timeMs: chain.timeMs };
    expect(convicting(chain.state, context, [evidence, evidence, again])).toEqual([evidence]);
    const block = chain.build([], 0, { evidence: [evidence] });
    chain.step([], 0, { evidence: [evidence] });
    const guilty = nodeWithKey(chain.state, validators.validators[0]!.node)!;
    expect(guilty).toMatchObject({ isTombstoned: true, bonded: [[0, 200n]] });
    const proposer = nodeWithKey(chain.state, block.header.proposer)!;
    expect(accountOf(chain.state, proposer.operator).balances).toEqual([[0, 10_080n]]);
    expect(() => chain.build([], 0, { evidence: [evidence] }), 'a second time').toThrow();
    expect(convicting(chain.state, { ...context, height: 3 }, [again])).toEqual([]);
  });
});
