import { describe, expect, test } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import { type ErrorCode, StoreError } from '../../../src/base/errors.ts';
import type { NodeId, OwnerId } from '../../../src/base/ids.ts';
import type { Overlay } from '../../../src/shards/view.ts';
import { amountIn } from '../../../src/shards/amounts.ts';
import { accountKey, accountOf, accountRecord } from '../../../src/shards/account.ts';
import {
  CHAIN_SERVICES,
  decodeProve,
  decodeProveReply,
  decodeTransactionReply,
  encodeProveReply,
  encodeSubmitted,
  encodeTransactionReply,
  type ProveReply,
  type TransactionReply,
} from '../../../src/shards/chain-messages.ts';
import { encodeHeader } from '../../../src/shards/header.ts';
import { merkleRoot } from '../../../src/base/merkle.ts';
import { encodeFounding } from '../../../src/shards/founding.ts';
import { LEDGER_RULES } from '../../../src/shards/ledger.ts';
import { readAll } from '../../../src/shards/read-all.ts';
import {
  decodeTransaction,
  type SignedTransaction,
  signTransaction,
} from '../../../src/shards/transaction.ts';
import type { ChainClientOptions } from '../../../src/client/chain/client.ts';
import { TrustExpired } from '../../../src/client/chain/trust-lost.ts';
import { nativeSha256 } from '../../../src/runtime/crypto.ts';
import { expectCodeAsync } from '../../helpers/expect-code.ts';
import { clientOf, transferTo } from './client-kit.ts';
import type { Handler, Services } from './fake-net.ts';
import { accountNamed, accountSigner, foundingOf, PARAMETERS, signerNamed } from './founding-kit.ts';
import { LedgerChain } from './ledger-chain.ts';

const balance = (name: string) => (state: Overlay) =>
  amountIn(accountOf(state, accountNamed(name)).balances, 0);

/** A node that makes blocks as soon as it is handed something, as validators do. */
function busy(chain: LedgerChain): Services {
  const mine = (): void => {
    if (chain.pending.length > 0) chain.step();
    chain.step();
  };
  return chain.services({ onSubmit: () => setTimeout(mine, 1) });
}

const changed = (
  services: Services,
  service: string,
  change: (bytes: Uint8Array) => Uint8Array,
): Services => {
  const honest = services[service]!;
  return { ...services, [service]: async (header, body) => change(await honest(header, body)) };
};

// ---- Reading -----------------------------------------------------------------------------------------------------

describe('reading', () => {
  test('begins at the founding document, and gives what the chain has, with its moment', async () => {
    const chain = new LedgerChain().run(25);
    const { client, lies } = clientOf(chain, { n0: chain.services(), n1: chain.services() });
    const answer = await client.read((state, at) => ({ alice: balance('alice')(state), at }));
    expect(answer.value.alice).toBe(10_000n);
    expect(answer.height).toBe(24);
    expect(answer.timeMs).toBe(chain.lights[24]!.header.timeMs);
    expect(answer.epoch).toBe(chain.lights[24]!.header.epoch);
    expect(answer.value.at).toEqual({ height: 24, timeMs: answer.timeMs, epoch: answer.epoch });
    expect(lies).toEqual([]);
  });

  test('shows what is not there as absent', async () => {
    const chain = new LedgerChain().run(3);
    const { client } = clientOf(chain, { n0: chain.services() });
    const { value } = await client.read((state) =>
      state.get(accountKey(accountNamed('nobody')), accountRecord),
    );
    expect(value).toBeUndefined();
  });

  test('loads what it misses in rounds, 64 records at a time, all of one state', async () => {
    const chain = new LedgerChain().run(3);
    const { client, net } = clientOf(chain, { n0: chain.services() });
    const owners = Array.from({ length: 200 }, (_, index) => accountNamed(`owner ${index}`));
    const { value } = await client.read((state) => {
      if (balance('alice')(state) === 0n) return -1;
      readAll(state, owners.map(accountKey));
      return owners.filter((owner) => accountOf(state, owner).nonce === 0).length;
    });
    expect(value).toBe(200);
    expect(net.log.filter((call) => call === 'n0 chain-prove')).toHaveLength(1 + 4);
  });

  test('needs no record at all', async () => {
    const chain = new LedgerChain().run(3);
    const { client } = clientOf(chain, { n0: chain.services() });
    expect(await client.read((_state, at) => at.height)).toMatchObject({ value: 2, height: 2 });
  });

  test('throws what the decision throws', async () => {
    const chain = new LedgerChain().run(3);
    const { client } = clientOf(chain, { n0: chain.services() });
    const decide = (state: Overlay): never => {
      throw new StoreError('NOT_FOUND', `no name for ${balance('alice')(state)} tokens`);
    };
    await expectCodeAsync('NOT_FOUND', client.read(decide));
  });

  test('of the same state asks for nothing twice', async () => {
    const chain = new LedgerChain().run(3);
    const { client, net } = clientOf(chain, { n0: chain.services() });
    await client.read(balance('alice'));
    net.log.length = 0;
    await client.read(balance('alice'));
    expect(net.log).toEqual(['n0 chain-head']);
    await client.read(balance('alice'), { atLeast: 1 });
    expect(net.log).toEqual(['n0 chain-head']);
  });

  test('goes on with another node when the first is gone in the middle', async () => {
    const chain = new LedgerChain().run(3);
    const { client, net } = clientOf(chain, { n0: chain.services(), n1: chain.services() });
    let isFirst = true;
    const { value } = await client.read((state) => {
      const alice = balance('alice')(state);
      if (isFirst) net.remove('n0');
      isFirst = false;
      return alice + balance('bob')(state);
    });
    expect(value).toBe(20_000n);
  });

  test.each([false, true])(
    'starts again when the state was given up meanwhile, also beside a dead node',
    async (isBeside) => {
      const chain = new LedgerChain().run(20);
      const { client, net } = clientOf(chain, { n0: chain.services(), n1: chain.services() });
      if (isBeside) net.remove('n1');
      let runs = 0;
      const answer = await client.read((state) => {
        const alice = balance('alice')(state);
        if (runs++ === 0) chain.run(20);
        return alice + balance('bob')(state);
      });
      expect(answer.value).toBe(20_000n);
      expect(answer.height).toBe(39);
    },
  );

  test('gives up when nobody keeps a state for long enough', async () => {
    const chain = new LedgerChain().run(5);
    const { client } = clientOf(chain, { n0: chain.services({ kept: 1 }) });
    let next = 0;
    const decide = (state: Overlay): unknown => {
      chain.step();
      return accountOf(state, accountNamed(`owner ${next++}`));
    };
    await expectCodeAsync('BUSY', client.read(decide));
  });

  test('with the height of a write waits for the state after it', async () => {
    const chain = new LedgerChain().run(3);
    const { client } = clientOf(chain, { n0: chain.services(), n1: chain.services({ head: () => 3 }) });
    const reading = client.read(balance('alice'), { atLeast: 3 });
    setTimeout(() => chain.step(), 5);
    expect((await reading).height).toBe(3);
    await expectCodeAsync('UNREACHABLE', client.read(balance('alice'), { atLeast: 30 }));
  });

  test('sees what was included in the newest block, which the next header proves', async () => {
    const chain = new LedgerChain().run(3);
    const signed = transferOf(chain, 'alice', 0);
    chain.step([signed]);
    const { client } = clientOf(chain, { n0: chain.services() });
    const reading = client.read((state) => accountOf(state, accountNamed('alice')).nonce);
    setTimeout(() => chain.step([]), 5);
    expect(await reading).toMatchObject({ value: 1, height: 4 });
  });

  test('on a chain that has halted shows the last state that can be proven', async () => {
    const chain = new LedgerChain().run(3);
    chain.step([transferOf(chain, 'alice', 0)]);
    const { client } = clientOf(chain, { n0: chain.services() });
    const { value, height } = await client.read((state) => accountOf(state, accountNamed('alice')).nonce);
    expect([value, height]).toEqual([0, 3]);
  });

  test('is sure only with a quorum of the validators, or says that it is not to whoever wants to hear it', async () => {
    const chain = new LedgerChain().run(3);
    // They know the chain, and decide nothing.
    const nodes = { n1: chain.services(), n2: chain.services() };
    const { client } = clientOf(chain, nodes, { freshness: 'quorum' });
    const refusal = await expectCodeAsync('UNREACHABLE', client.read(balance('alice')));
    const reasons: unknown[] = [];
    const onStale = (reason: unknown): number => reasons.push(reason);
    const content = clientOf(chain, nodes).client;
    const expected = await content.read(balance('alice'), { onStale });
    expect(reasons).toEqual([]);
    expect(await client.read(balance('alice'), { onStale })).toEqual(expected);
    expect(reasons).toEqual([refusal]);
    await expectCodeAsync('UNREACHABLE', client.read(balance('alice')));
  });

  test('is never of an older state than before', async () => {
    const chain = new LedgerChain().run(10);
    let head = 10;
    const { client, net } = clientOf(chain, { n0: chain.services({ head: () => head }), n1: {} });
    expect((await client.read(balance('alice'))).height).toBe(9);
    head = 6;
    expect((await client.read(balance('alice'))).height).toBe(9);
    await expectCodeAsync('UNREACHABLE', client.read(balance('bob')));
    await expectCodeAsync('UNREACHABLE', client.read(balance('bob'), { atLeast: 2 }));
    net.serve('n1', chain.services());
    expect((await client.read(balance('bob'))).height).toBe(9);
  });

  test('stops when it is aborted', async () => {
    const chain = new LedgerChain().run(3);
    const { client } = clientOf(chain, { n0: chain.services() });
    await expectCodeAsync('ABORTED', client.read(balance('alice'), { signal: AbortSignal.abort() }));
    const controller = new AbortController();
    const decide = (state: Overlay): bigint => {
      controller.abort();
      return balance('alice')(state);
    };
    await expectCodeAsync('ABORTED', client.read(decide, { signal: controller.signal }));
  });

  test('works across epochs with other validators, and shards that merge', async () => {
    const chain = new LedgerChain({ shardBits: 1 });
    const { client, lies } = clientOf(chain, { n0: chain.services() });
    const bits = new Set<number>();
    for (let round = 0; round < 6; round++) {
      chain.run(7);
      bits.add(chain.states.at(-1)!.shards[0]!.shardBits);
      expect((await client.read(balance('alice'))).value).toBe(10_000n);
    }
    expect(bits.size).toBe(2);
    expect(lies).toEqual([]);
  });
});

// ---- Nodes that lie about the state -------------------------------------------------------------------------------

describe('a chain that has not begun', () => {
  const NAMES = ['n0', 'n1', 'n2', 'n3'];
  const ids = NAMES.map((name) => signerNamed(name).publicKey as NodeId);
  const refusing = (code: ErrorCode, message: string): Services => ({
    [CHAIN_SERVICES.head]: () => {
      throw new StoreError(code, message);
    },
  });

  /** A client of the four validators; those whose services are undefined are down. */
  function validators(
    chain: LedgerChain,
    services: readonly (Services | undefined)[],
    options: Partial<ChainClientOptions> = {},
  ): ReturnType<typeof clientOf> {
    const setup = clientOf(chain, {}, { freshness: 'quorum', candidates: () => ids, ...options });
    for (const [index, each] of services.entries()) {
      if (each !== undefined) setup.net.serve(NAMES[index]!, each, ids[index]);
    }
    return setup;
  }

  test('is waited for, and whoever shows people what is going on is told why', async () => {
    const chain = new LedgerChain();
    const reasons: string[] = [];
    const onWait = ({ message }: StoreError): void => {
      if (reasons.push(message) === 3) chain.run(1);
    };
    const { client } = validators(chain, Array(4).fill(chain.services()), { onWait });
    expect((await client.read(balance('alice'))).value).toBe(10_000n);
    expect(new Set(reasons)).toEqual(new Set(['the chain has no block yet: 4 of 4 validators answer']));
    expect(reasons.length).toBe(3);
  });

  test('is waited for where a few nodes are enough, too', async () => {
    const chain = new LedgerChain();
    const onWait = (): unknown => chain.run(1);
    const { client } = validators(chain, [chain.services()], { freshness: 'few', onWait });
    expect((await client.read(balance('alice'))).value).toBe(10_000n);
  });

  test('and does not begin is named as it is: no block yet, and who has to be started', async () => {
    const chain = new LedgerChain();
    const { client } = validators(chain, [chain.services(), chain.services(), undefined, undefined]);
    const error = await expectCodeAsync('UNREACHABLE', client.read(balance('alice'), { patienceMs: 0 }));
    expect(error.message).toBe('the chain has no block yet: 2 of 4 validators answer');
    expect(error.next).toMatch(/^Start the nodes that are missing/);
    const all = validators(chain, Array(4).fill(chain.services())).client;
    const alone = await expectCodeAsync('UNREACHABLE', all.read(balance('alice'), { patienceMs: 0 }));
    expect(alone.next).toMatch(/^Wait a moment/);
  });

  test('because nodes still fetch it is waited for, unless a few of them are enough', async () => {
    const chain = new LedgerChain().run(3);
    const fetching = refusing('BUSY', 'it fetches a state, 40 % of it is here');
    const services = [chain.services(), chain.services(), fetching, fetching];
    const { client } = validators(chain, services);
    const error = await expectCodeAsync('UNREACHABLE', client.read(balance('alice'), { patienceMs: 0 }));
    expect(error.message).toBe(
      'too few nodes can show the chain yet: 4 of 4 validators answer, and one says: it fetches a state, 40 % of it is here',
    );
    const reasons: StoreError[] = [];
    const onStale = (reason: StoreError): unknown => reasons.push(reason);
    expect((await client.read(balance('alice'), { onStale })).value).toBe(10_000n);
    expect(reasons.map(({ message }) => message)).toEqual([error.message]);
  });

  test('is not what a chain is of which most validators are down: that is said at once', async () => {
    const chain = new LedgerChain().run(3);
    const waits: StoreError[] = [];
    const onWait = (reason: StoreError): unknown => waits.push(reason);
    const { client } = validators(chain, [chain.services(), chain.services()], { onWait });
    const error = await expectCodeAsync('UNREACHABLE', client.read(balance('alice')));
    expect(error.message).toContain('2 of 4 validators answered');
    expect(waits).toEqual([]);
  });
});

describe('a node that lies about the state is found out, and another is asked:', () => {
  const chain = new LedgerChain().run(12);
  const lying = (change: (reply: ProveReply) => ProveReply): Services =>
    changed(chain.services(), CHAIN_SERVICES.prove, (bytes) =>
      encodeProveReply(change(decodeProveReply(bytes))),
    );
  const replacing = (handler: Handler): Services => ({
    ...chain.services(),
    [CHAIN_SERVICES.prove]: handler,
  });
  const poorer = new LedgerChain({ accounts: ['mallory'] }).run(12);
  const richer = (record: Uint8Array): Uint8Array => record.with(record.length - 1, 0xff);

  const liars: Readonly<Record<string, Services>> = {
    'another record': lying((reply) => ({
      ...reply,
      records: reply.records.map((record) => (record === null ? null : richer(record))),
    })),
    'a record for what is absent': lying((reply) => ({
      ...reply,
      records: reply.records.map((record) => record ?? new Uint8Array([0x82, 0, 0x80])),
    })),
    'nothing for what is there': lying((reply) => ({ ...reply, records: reply.records.map(() => null) })),
    'a proof of absence for what is there': lying((reply) => ({
      ...reply,
      records: reply.records.map(() => null),
      proofs: reply.proofs.map((proof) => ({ ...proof, end: { kind: 'empty' } })),
    })),
    'the proof of another path': replacing((header) => {
      const { paths } = decodeProve(header);
      const elsewhere = paths.map((path) => path.with(5, path[5]! ^ 1) as typeof path);
      return encodeProveReply({
        height: 12,
        framing: { light: chain.lights[11]!, shards: chain.states[11]!.shards },
        records: paths.map(() => null),
        proofs: chain.prove(11, elsewhere),
      });
    }),
    'proofs of an older state': lying((reply) => ({
      ...reply,
      framing: reply.framing && { ...reply.framing, shards: chain.states[1]!.shards },
    })),
    'fewer shards': lying((reply) => ({
      ...reply,
      framing: reply.framing && { ...reply.framing, shards: reply.framing.shards.slice(1) },
    })),
    'fewer records': lying((reply) => ({
      ...reply,
      records: reply.records.slice(1),
      proofs: reply.proofs.slice(1),
    })),
    'an older header than asked for': replacing((header) => {
      const { paths } = decodeProve(header);
      return encodeProveReply({
        height: 3,
        framing: { light: chain.lights[2]!, shards: chain.states[2]!.shards },
        records: paths.map((path) => chain.states[2]!.records.get(toHex(path))?.bytes ?? null),
        proofs: chain.prove(2, paths),
      });
    }),
    'another state under the right header': replacing((header) => {
      const { paths } = decodeProve(header);
      return encodeProveReply({
        height: 12,
        framing: { light: chain.lights[11]!, shards: poorer.states[11]!.shards },
        records: paths.map((path) => poorer.states[11]!.records.get(toHex(path))?.bytes ?? null),
        proofs: poorer.prove(11, paths),
      });
    }),
    'another height than its header': lying((reply) => ({ ...reply, height: 13 })),
    'no header': lying((reply) => ({ ...reply, framing: undefined })),
    'bytes that are nothing': replacing(() => new Uint8Array(1000)),
  };

  test.each(Object.entries(liars))('%s', async (_name, liar) => {
    const { client, lies } = clientOf(chain, { liar, n1: chain.services() });
    const { value, height } = await client.read((state) => [
      balance('alice')(state),
      balance('nobody')(state),
    ]);
    expect(value).toEqual([10_000n, 0n]);
    expect(height).toBe(11);
    expect(lies).toHaveLength(1);
    expect(lies[0]).toMatch(/^liar: /);
  });

  test('false records in the middle of a reading', async () => {
    let requests = 0;
    const liar = changed(chain.services(), CHAIN_SERVICES.prove, (bytes) => {
      const reply = decodeProveReply(bytes);
      return requests++ === 0
        ? bytes
        : encodeProveReply({ ...reply, records: reply.records.map(() => null) });
    });
    const { client, lies } = clientOf(chain, { liar, n1: chain.services() });
    const { value } = await client.read((state) => balance('alice')(state) + balance('bob')(state));
    expect(value).toBe(20_000n);
    expect(lies).toHaveLength(1);
  });

  test('a founding document of others', async () => {
    const forged = {
      ...chain.document,
      balances: [[accountNamed('mallory'), [[0, 5n]]]],
    } as typeof chain.document;
    const liar = { ...chain.services(), [CHAIN_SERVICES.founding]: () => encodeFounding(forged) };
    const { client, lies } = clientOf(chain, { liar, n1: chain.services() });
    expect((await client.read(balance('alice'))).value).toBe(10_000n);
    expect(lies).toHaveLength(1);
  });

  test('when all of them lie, nobody is believed', async () => {
    const nodes = Object.values(liars).slice(0, 3);
    const { client } = clientOf(chain, Object.fromEntries(nodes.map((node, index) => [`n${index}`, node])));
    const keys = ['alice', 'nobody'].map((name) => accountKey(accountNamed(name)));
    await expectCodeAsync(
      'PROTOCOL',
      client.read((state) => readAll(state, keys)),
    );
    await expectCodeAsync(
      'PROTOCOL',
      client.read((state) => readAll(state, keys)),
    );
  });

  test('a quorum of the validators that decided something else is an attack, and ends everything', async () => {
    const other = new LedgerChain({ accounts: ['mallory'] }).run(12);
    expect(toHex(other.network)).toBe(toHex(chain.network));
    const liar = { ...chain.services(), [CHAIN_SERVICES.prove]: other.services()[CHAIN_SERVICES.prove]! };
    const { client } = clientOf(chain, { liar, n1: chain.services() });
    await expectCodeAsync('INTEGRITY', client.read(balance('alice')));
    await expectCodeAsync('INTEGRITY', client.read(balance('alice')));
    await expectCodeAsync('INTEGRITY', client.submit(transferOf(chain, 'alice', 0)));
  });
});

// ---- Submitting --------------------------------------------------------------------------------------------------

function transferOf(
  chain: LedgerChain,
  from: string,
  nonce: number,
  more: { readonly amount?: bigint; readonly expiresAtHeight?: number } = {},
): SignedTransaction {
  const { amount = 5n, expiresAtHeight = chain.height + 1_000 } = more;
  const about = {
    network: chain.network,
    sender: accountNamed(from),
    nonce,
    fee: 0n,
    expiresAtHeight,
    action: transferTo('bob', amount),
  };
  return signTransaction(about, LEDGER_RULES.operations, accountSigner(from), nativeSha256);
}

describe('submitting', () => {
  test('resolves when the transaction is final and what it did can be read', async () => {
    const chain = new LedgerChain({ shardBits: 0 }).run(3);
    const { client } = clientOf(chain, { n0: busy(chain), n1: chain.services(), n2: chain.services() });
    const { height, refusal } = await client.submit(transferOf(chain, 'alice', 0));
    expect(refusal).toBeUndefined();
    expect(height).toBe(4);
    const { value } = await client.read((state) => [balance('alice')(state), balance('bob')(state)], {
      atLeast: height,
    });
    expect(value).toEqual([9_995n, 10_005n]);
  });

  test('tells why a transaction was included and not done', async () => {
    const chain = new LedgerChain().run(3);
    const { client } = clientOf(chain, { n0: busy(chain), n1: chain.services() });
    const { refusal } = await client.submit(transferOf(chain, 'alice', 0, { amount: 20_000n }));
    expect(refusal).toBe('insufficient-balance');
  });

  test('believes most of the nodes about the refusal, which no header binds', async () => {
    const chain = new LedgerChain().run(3);
    const liar = changed(busy(chain), CHAIN_SERVICES.transaction, (bytes) =>
      encodeTransactionReply({ ...decodeTransactionReply(bytes), refusal: 'expired' }),
    );
    const { client } = clientOf(chain, { liar, n1: chain.services(), n2: chain.services() });
    expect((await client.submit(transferOf(chain, 'alice', 0))).refusal).toBeUndefined();
  });

  test('of what was included before tells where', async () => {
    const chain = new LedgerChain().run(3);
    const signed = transferOf(chain, 'alice', 0);
    chain.step([signed]);
    chain.run(3);
    const used: Services = {
      [CHAIN_SERVICES.submit]: () => {
        throw new StoreError('CONDITION_FAILED', 'its nonce is used');
      },
    };
    const { client } = clientOf(chain, { n0: { ...chain.services(), ...used } });
    expect((await client.submit(signed)).height).toBe(4);
  });

  test('ends as ALREADY_EXISTS when another transaction has taken the nonce', async () => {
    const chain = new LedgerChain().run(3);
    chain.step([transferOf(chain, 'alice', 0, { amount: 7n })]);
    chain.run(2);
    const { client } = clientOf(chain, { n0: chain.services() });
    await expectCodeAsync('ALREADY_EXISTS', client.submit(transferOf(chain, 'alice', 0)));
  });

  describe('when another transaction takes the nonce meanwhile', () => {
    /** A node at which that happens as soon as it is handed something. */
    const overtaken = (chain: LedgerChain): Services => {
      const rival = transferOf(chain, 'alice', 0, { amount: 7n });
      const onSubmit = (): void => {
        chain.pending = [];
        if (chain.places.has(toHex(rival.id))) return;
        chain.step([rival]);
        chain.step();
      };
      return chain.services({ onSubmit });
    };
    const never = (): Promise<never> => new Promise(() => undefined);
    const refuse = (code: ErrorCode) => (): never => {
      throw new StoreError(code, 'it is refused');
    };

    test('ends as soon as one node says so, whatever the others wait for', async () => {
      const chain = new LedgerChain().run(3);
      const n0 = { ...overtaken(chain), [CHAIN_SERVICES.transaction]: refuse('NOT_FOUND') };
      const n1 = { ...chain.services(), [CHAIN_SERVICES.transaction]: never };
      const { client } = clientOf(chain, { n0, n1 });
      await expectCodeAsync('ALREADY_EXISTS', client.submit(transferOf(chain, 'alice', 0), { free: 3 }));
    });

    test('is a clean conflict, even if nobody said whether it took the transaction', async () => {
      const chain = new LedgerChain().run(3);
      let elapsedMs = 0;
      const taking = overtaken(chain)[CHAIN_SERVICES.submit]!;
      const lost: Services = {
        ...chain.services(),
        [CHAIN_SERVICES.submit]: async (header, body) => {
          elapsedMs += 50_000;
          await taking(header, body);
          throw new StoreError('TIMEOUT', 'its answer is lost');
        },
      };
      const { client } = clientOf(chain, { n0: lost }, { monotonic: () => elapsedMs });
      await expectCodeAsync('ALREADY_EXISTS', client.submit(transferOf(chain, 'alice', 0), { free: 3 }));
    });

    test('is not believed of nodes that say it waits, while one that does not answer may have taken this one', async () => {
      const chain = new LedgerChain().run(3);
      const taking = busy(chain);
      const lost: Services = {
        ...taking,
        [CHAIN_SERVICES.submit]: async (header, body) => {
          await taking[CHAIN_SERVICES.submit]!(header, body);
          throw new StoreError('TIMEOUT', 'its answer is lost');
        },
      };
      const waits = { ...chain.services(), [CHAIN_SERVICES.submit]: refuse('ALREADY_EXISTS') };
      const { client } = clientOf(chain, { n0: lost, n1: waits, n2: waits });
      expect((await client.submit(transferOf(chain, 'alice', 0))).refusal).toBeUndefined();
    });
  });

  test('that every node hides is never taken for lost, so that nothing is done twice', async () => {
    const chain = new LedgerChain({ shardBits: 0 }).run(3);
    const hiding: Services = {
      ...busy(chain),
      [CHAIN_SERVICES.transaction]: () => {
        throw new StoreError('NOT_FOUND', 'no such transaction');
      },
    };
    const { client, lies } = clientOf(chain, { n0: hiding, n1: hiding });
    const error = await expectCodeAsync(
      'UNREACHABLE',
      client.perform(accountSigner('alice'), [transferTo('bob', 3n)]),
    );
    expect(error.message).toMatch(/was included at height 4/);
    expect((await client.read(balance('alice'))).value).toBe(9_997n);
    expect(lies).toEqual([]);
  });

  test('does not believe a block that is not the one of the header', async () => {
    const chain = new LedgerChain({ shardBits: 0 }).run(3);
    const other = new LedgerChain({ accounts: ['alice', 'mallory'], shardBits: 0 }).run(20);
    const hiding = (services: Services): Services => ({
      ...services,
      [CHAIN_SERVICES.transaction]: () => {
        throw new StoreError('NOT_FOUND', 'no such transaction');
      },
    });
    const liar = { ...hiding(busy(chain)), [CHAIN_SERVICES.block]: other.services()[CHAIN_SERVICES.block]! };
    const { client, lies } = clientOf(chain, { liar, n1: hiding(chain.services()) });
    await expectCodeAsync('UNREACHABLE', client.perform(accountSigner('alice'), [transferTo('bob', 3n)]));
    expect(lies).toEqual(['liar: another block of height 5']);
  });

  test('ends as EXPIRED when the chain has passed its last height without it', async () => {
    const chain = new LedgerChain().run(3);
    // Takes it, and forgets it.
    const forgetful = chain.services({
      onSubmit: () => {
        chain.pending = [];
        setTimeout(() => chain.step(), 1);
      },
    });
    const { client } = clientOf(chain, { n0: forgetful });
    await expectCodeAsync('EXPIRED', client.submit(transferOf(chain, 'alice', 0, { expiresAtHeight: 6 })));
    expect(chain.height).toBeGreaterThan(6);
  });

  test('throws what the nodes refuse it with', async () => {
    const chain = new LedgerChain().run(3);
    const refusing: Services = {
      ...chain.services(),
      [CHAIN_SERVICES.submit]: () => {
        throw new StoreError('INVALID_ARGUMENT', 'the fee is too low');
      },
    };
    const { client, lies } = clientOf(chain, { n0: refusing, n1: refusing });
    await expectCodeAsync('INVALID_ARGUMENT', client.submit(transferOf(chain, 'alice', 0)));
    expect(lies).toEqual([]);
  });

  test('needs one node that takes it', async () => {
    const chain = new LedgerChain().run(3);
    const full: Services = {
      ...chain.services(),
      [CHAIN_SERVICES.submit]: () => {
        throw new StoreError('FULL', 'the pool is full');
      },
    };
    const nodes = { n0: full, n1: full, n2: full, n3: busy(chain) };
    const { client } = clientOf(chain, nodes);
    expect((await client.submit(transferOf(chain, 'alice', 0))).refusal).toBeUndefined();
  });

  test('reaches others when those who took it keep it to themselves', async () => {
    const chain = new LedgerChain().run(3);
    const silent: Services = {
      ...chain.services(),
      [CHAIN_SERVICES.submit]: (_header, body) =>
        encodeSubmitted(decodeTransaction(body, LEDGER_RULES.operations, nativeSha256).id),
    };
    const { client } = clientOf(chain, { n0: silent, n1: silent, n2: silent, n3: busy(chain) });
    expect((await client.submit(transferOf(chain, 'alice', 0))).refusal).toBeUndefined();
  });

  test('is aborted while it waits', async () => {
    const chain = new LedgerChain().run(3);
    const { client } = clientOf(chain, { n0: chain.services() });
    const controller = new AbortController();
    const submitting = client.submit(transferOf(chain, 'alice', 0), { signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    await expectCodeAsync('ABORTED', submitting);
  });

  test('does not believe a node that shows it in a block that nobody signed', async () => {
    const chain = new LedgerChain().run(3);
    const signed = transferOf(chain, 'alice', 0, { expiresAtHeight: 5 });
    const { headerBytes: _, ...light } = chain.lights[2]!;
    const headerBytes = encodeHeader({ ...light.header, transactionsRoot: merkleRoot([signed.id]) });
    const reply: TransactionReply = {
      light: { ...light, headerBytes },
      index: 0,
      count: 1,
      path: [],
      refusal: undefined,
      bytes: new Uint8Array(1),
    };
    const liar: Services = {
      ...chain.services(),
      [CHAIN_SERVICES.transaction]: () => encodeTransactionReply(reply),
    };
    const forgetful = chain.services({
      onSubmit: () => {
        chain.pending = [];
        setTimeout(() => chain.step(), 1);
      },
    });
    const { client, lies } = clientOf(chain, { liar, n1: forgetful });
    await expectCodeAsync('EXPIRED', client.submit(signed));
    expect(lies).toHaveLength(1);
  });

  const placed = (chain: LedgerChain, change: (reply: TransactionReply) => TransactionReply): Services =>
    changed(chain.services(), CHAIN_SERVICES.transaction, (bytes) =>
      encodeTransactionReply(change(decodeTransactionReply(bytes))),
    );
  test.each([
    [
      'in another block',
      (reply: TransactionReply, chain: LedgerChain) => ({ ...reply, light: chain.lights[1]! }),
    ],
    [
      'at another place',
      (reply: TransactionReply) => ({ ...reply, index: reply.index + 1, count: reply.count + 1 }),
    ],
    ['on another path', (reply: TransactionReply) => ({ ...reply, path: [accountNamed('x') as never] })],
  ])('does not believe a node that shows it %s', async (_name, change) => {
    const chain = new LedgerChain().run(3);
    const liar = placed(chain, (reply) => change(reply, chain));
    const { client, lies } = clientOf(chain, { n0: busy(chain), liar });
    await client.submit(transferOf(chain, 'alice', 0));
    const other = clientOf(chain, { liar, n0: chain.services() });
    const signed = transferOf(chain, 'alice', 1);
    chain.step([signed]);
    chain.step([]);
    expect((await other.client.submit(signed)).height).toBe(chain.height - 1);
    expect([...lies, ...other.lies].every((lie) => lie.startsWith('liar: '))).toBe(true);
    expect(other.lies).toHaveLength(1);
  });
});

// ---- Performing --------------------------------------------------------------------------------------------------

describe('performing', () => {
  test('signs actions with the nonces that come next, and tells what came of each in their order', async () => {
    const chain = new LedgerChain({ shardBits: 0 }).run(3);
    const { client } = clientOf(chain, { n0: busy(chain) });
    const actions = [transferTo('bob', 1n), transferTo('bob', 50_000n), transferTo('carol', 3n)];
    const results = await client.perform(accountSigner('alice'), actions);
    expect(results.map(({ refusal }) => refusal)).toEqual([undefined, 'insufficient-balance', undefined]);
    const { value } = await client.read((state) => [
      accountOf(state, accountNamed('alice')).nonce,
      balance('alice')(state),
    ]);
    expect(value).toEqual([3, 9_996n]);
    expect(await client.perform(accountSigner('alice'), [])).toEqual([]);
  });

  test('pays what the chain asks for', async () => {
    const fees = { ...foundingOf().parameters.fees, perTransaction: 10n, perByte: 1n };
    const chain = new LedgerChain({ parameters: { fees } }).run(3);
    const { client } = clientOf(chain, { n0: busy(chain) });
    const [inclusion] = await client.perform(accountSigner('alice'), [transferTo('bob', 1n)]);
    expect(inclusion!.refusal).toBeUndefined();
    const paid = 9_999n - (await client.read(balance('alice'))).value;
    const length = BigInt(chain.blocks[inclusion!.height - 1]!.body.transactions[0]!.lengthBytes);
    expect(paid).toBeGreaterThanOrEqual(10n + length);
    expect(paid).toBeLessThan(10n + length + 9n);
  });

  test('signs again when somebody else was faster with a nonce, and does nothing twice', async () => {
    const chain = new LedgerChain({ shardBits: 0 }).run(3);
    let isFirst = true;
    const raced = chain.services({
      onSubmit: (signed) => {
        if (isFirst) {
          isFirst = false;
          chain.step([transferOf(chain, 'alice', 0, { amount: 100n })]);
          chain.pending = chain.pending.filter(({ id }) => toHex(id) !== toHex(signed.id));
        }
        setTimeout(() => {
          chain.step();
          chain.step();
        }, 1);
      },
    });
    const { client } = clientOf(chain, { n0: raced });
    const results = await client.perform(accountSigner('alice'), [
      transferTo('carol', 1n),
      transferTo('carol', 2n),
    ]);
    expect(results.map(({ refusal }) => refusal)).toEqual([undefined, undefined]);
    expect((await client.read(balance('carol'))).value).toBe(10_003n);
    expect((await client.read(balance('alice'))).value).toBe(10_000n - 100n - 3n);
  });

  test('gives up when it is always too late', async () => {
    const chain = new LedgerChain().run(3);
    const refusing: Services = {
      ...chain.services(),
      [CHAIN_SERVICES.submit]: () => {
        throw new StoreError('ALREADY_EXISTS', 'another one waits');
      },
    };
    const { client } = clientOf(chain, { n0: refusing });
    await expectCodeAsync('ALREADY_EXISTS', client.perform(accountSigner('alice'), [transferTo('bob', 1n)]));
  });

  test('of more than go together takes them in parts', async () => {
    const chain = new LedgerChain({ shardBits: 0 }).run(3);
    const { client } = clientOf(chain, { n0: busy(chain) });
    const actions = Array.from({ length: 70 }, () => transferTo('bob', 1n));
    const results = await client.perform(accountSigner('alice'), actions);
    expect(results).toHaveLength(70);
    const heights = results.map(({ height }) => height);
    expect(heights).toEqual(heights.toSorted((a, b) => a - b));
    const sender: OwnerId = accountNamed('alice');
    expect((await client.read((state) => accountOf(state, sender).nonce)).value).toBe(70);
  });
});

test('what is trusted is taken up by the next client', async () => {
  const chain = new LedgerChain().run(12);
  const first = clientOf(chain, { n0: chain.services() });
  await first.client.read(balance('alice'));
  await first.client.close();
  const second = clientOf(chain, { n0: chain.services() }, { store: first.store });
  await second.client.read(balance('alice'));
  expect(second.net.log).toEqual(['n0 chain-head', 'n0 chain-prove']);
});

test('a client of a network that was founded longer ago than the trust period needs a block that somebody names', async () => {
  const chain = new LedgerChain().run(12);
  const nowMs = () => chain.timeMs + 20 * 24 * 3600_000;
  const late = clientOf(chain, { n0: chain.services() }, { nowMs });
  await expectCodeAsync('INVALID_CONFIG', late.client.read(balance('alice')));
  chain.step([], 20 * 24 * 3600_000);
  const trust = { height: 13, id: chain.lights[12]!.id };
  const told = clientOf(chain, { n0: chain.services() }, { trust });
  expect((await told.client.read(balance('alice'))).height).toBe(12);
});

describe('a client that begins with a block that somebody names', () => {
  const HOUR_MS = 3600_000;
  const { evidence } = PARAMETERS;
  const founded = (): LedgerChain =>
    new LedgerChain({ parameters: { evidence: { ...evidence, ageMs: 3 * HOUR_MS } } }).run(6);
  const readAfter = async (chain: LedgerChain, node: Services, afterMs: number): Promise<unknown> => {
    const light = chain.lights[4]!;
    const trust = { height: 5, id: light.id };
    const nowMs = (): number => light.header.timeMs + afterMs;
    const { client } = clientOf(chain, { n0: node }, { trust, nowMs });
    return client.read(() => 'read').then(({ value }) => value);
  };
  const refuses = (service: string, node: Services): Services => ({
    ...node,
    [service]: () => {
      throw new StoreError('UNREACHABLE', 'it gives none');
    },
  });

  test('believes in it for as long as the proven parameters of the network say', async () => {
    const chain = founded();
    const node = refuses(CHAIN_SERVICES.founding, chain.services());
    expect(await readAfter(chain, node, 2 * HOUR_MS - 60_000)).toBe('read');
    const error = await readAfter(chain, node, 2 * HOUR_MS + 60_000).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TrustExpired);
  });

  test('or as the founding document says, where nobody has that state any more', async () => {
    const chain = founded().run(10);
    const node = chain.services({ kept: 3 });
    expect(await readAfter(chain, node, 2 * HOUR_MS - 60_000)).toBe('read');
    const error = await readAfter(chain, node, 2 * HOUR_MS + 60_000).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TrustExpired);
  });

  test('and not as a node says that proves nothing', async () => {
    const chain = founded();
    const other = new LedgerChain().run(6);
    const liar: Services = {
      ...chain.services(),
      [CHAIN_SERVICES.prove]: other.services()[CHAIN_SERVICES.prove]!,
    };
    const light = chain.lights[4]!;
    const nowMs = (): number => light.header.timeMs + 3 * HOUR_MS;
    const nodes = { liar, n1: chain.services() };
    const { client, lies } = clientOf(chain, nodes, { trust: { height: 5, id: light.id }, nowMs });
    const error = await client.read(() => 'read').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TrustExpired);
    expect(lies).toHaveLength(1);
  });
});
