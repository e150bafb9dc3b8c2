import { describe, expect, test } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import { StoreError } from '../../../src/base/errors.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import { CHAIN_ASK_TIMEOUT_MS, LIGHT_REQUESTS_MAX, WAY_TIME_MS } from '../../../src/base/limits.ts';
import { LightClientAttack, TrustExpired } from '../../../src/client/chain/trust-lost.ts';
import { LightClient, type LightOptions } from '../../../src/client/chain/light-client.ts';
import { type MemoryTrust, memoryTrust } from '../../../src/client/chain/memory-trust.ts';
import { Providers } from '../../../src/client/chain/providers.ts';
import { decodeTrust } from '../../../src/client/chain/trust.ts';
import { nativeSha256, nativeVerify } from '../../../src/runtime/crypto.ts';
import { CHAIN_SERVICES, decodeHeight } from '../../../src/shards/chain-messages.ts';
import { encodeLightBlock } from '../../../src/shards/light-block.ts';
import { expectCodeAsync } from '../../helpers/expect-code.ts';
import { FakeNet, headerServices, nodeNamed, type Services, testClock } from './fake-net.ts';
import { signerNamed } from './founding-kit.ts';
import { HeaderChain, NETWORK, strayLight, timeOf } from './header-chain.ts';

const ABCD = ['a', 'b', 'c', 'd'];
const steady = new HeaderChain({ members: () => ABCD });

interface Setup {
  readonly net: FakeNet;
  readonly light: LightClient;
  readonly lies: string[];
  readonly store: MemoryTrust;
}

interface SetupOptions extends Partial<LightOptions> {
  readonly chain?: HeaderChain;
  readonly start?: number;
  readonly now?: () => number;
  readonly monotonic?: () => number;
  readonly store?: MemoryTrust;
  /** Of the nodes, in their order. */
  readonly ids?: readonly NodeId[];
}

const steadyId = (name: string): NodeId => signerNamed(name).publicKey as NodeId;

/** A client of the nodes named, in this order, that trusts height `start`. */
function setup(nodes: Readonly<Record<string, Services>>, options: SetupOptions = {}): Setup {
  const { chain = steady, start = 1, now = () => timeOf(20_000), store = memoryTrust() } = options;
  const net = new FakeNet();
  const names = Object.keys(nodes);
  const { ids = names.map(nodeNamed) } = options;
  const clock = testClock(now, options.monotonic);
  for (const [index, name] of names.entries()) net.serve(name, nodes[name]!, ids[index]);
  const lies: string[] = [];
  const providers = new Providers(
    { network: net, clock },
    {
      candidates: () => ids,
      onLie: (node, reason) =>
        lies.push(`${names[ids.findIndex((id) => toHex(id) === toHex(node))]}: ${reason}`),
    },
  );
  const trust = options.trust ?? { height: start, id: chain.light(start).id };
  const ports = { clock, verify: nativeVerify, sha256: nativeSha256, trust: store };
  const light = new LightClient(ports, providers, { network: NETWORK, ...options, trust });
  return { net, light, lies, store };
}

const honest = (head: number | (() => number), chain: HeaderChain = steady): Services =>
  headerServices(chain, typeof head === 'number' ? () => head : head);

const heightOf = async (light: LightClient): Promise<number> => (await light.head()).header.height;

describe('following a chain', () => {
  test('of which the validators stay takes one step, however long it is', async () => {
    const { net, light } = setup({ n0: honest(10_000), n1: honest(10_000), n2: honest(10_000) });
    await light.start();
    // The trusted block, and how long it counts: nobody has the state under it any more.
    expect(net.log.slice(0, 2)).toEqual(['n0 chain-light', 'n0 chain-prove']);
    expect(net.log.slice(4)).toEqual(['n0 chain-founding']);
    net.calls = net.bytes = 0;
    expect(await heightOf(light)).toBe(10_000);
    // The newest header from three nodes.
    expect(net.calls).toBe(3);
    expect(light.requests).toBe(4);
    expect(net.bytes).toBeLessThan(5_000);
    expect(await heightOf(light)).toBe(10_000);
    expect(net.calls).toBe(6);
  });

  test('of which a tenth of the validators changes every 100 heights takes a few steps for each third that changed', async () => {
    const churning = new HeaderChain({
      members: (height) => Array.from({ length: 20 }, (_, at) => `v${2 * Math.floor(height / 100) + at}`),
    });
    const nodes = {
      n0: honest(10_000, churning),
      n1: honest(10_000, churning),
      n2: honest(10_000, churning),
    };
    const { net, light } = setup(nodes, { chain: churning });
    expect(await heightOf(light)).toBe(10_000);
    expect(light.requests).toBeLessThan(80);
    expect(net.bytes).toBeLessThan(80 * 2_500);
    const lower = await light.at(9_000);
    expect(toHex(lower.id)).toBe(toHex(churning.light(9_000).id));
  });

  test('goes from header to header where all validators are replaced at once', async () => {
    const replaced = new HeaderChain({
      members: (height) => ABCD.map((name) => `${name}${Math.floor(height / 50)}`),
    });
    const { light } = setup({ n0: honest(400, replaced) }, { chain: replaced });
    expect(await heightOf(light)).toBe(400);
    expect(light.requests).toBeLessThan(2 + 8 * 2 * 9);
  });

  test('stops at a bounded number of requests, keeps what it reached, and goes on from there', async () => {
    const restless = new HeaderChain({ members: (height) => ABCD.map((name) => `${name}${height}`) });
    const { light, lies } = setup({ n0: honest(600, restless) }, { chain: restless });
    await expectCodeAsync('UNREACHABLE', light.head());
    expect(light.requests).toBeLessThan(LIGHT_REQUESTS_MAX + 20);
    expect(light.newest.height).toBeGreaterThan(100);
    for (let tries = 0; light.newest.height < 600 && tries < 4; tries++)
      await light.head().catch(() => undefined);
    expect(light.newest.height).toBe(600);
    expect(lies).toEqual([]);
  });

  test('gives verified blocks of heights in between, and of some below what it began with', async () => {
    const { light } = setup({ n0: honest(200) }, { start: 100 });
    expect((await light.at(150)).header.height).toBe(150);
    expect(toHex((await light.at(97)).id)).toBe(toHex(steady.light(97).id));
    expect((await light.at(100)).header.height).toBe(100);
    await expectCodeAsync('NOT_FOUND', light.at(20));
    await expectCodeAsync('NOT_FOUND', light.at(201));
  });

  test('never goes back', async () => {
    let head = 50;
    const { light } = setup({ n0: honest(() => head) });
    expect(await heightOf(light)).toBe(50);
    head = 40;
    expect(await heightOf(light)).toBe(50);
    head = 60;
    expect(await heightOf(light)).toBe(60);
  });
});

describe('nodes that are behind or gone', () => {
  test('do not hold the client back as long as one of three is not', async () => {
    const { light, lies } = setup({ n0: honest(40), n1: honest(70), n2: honest(41) });
    expect(await heightOf(light)).toBe(70);
    expect(lies).toEqual([]);
  });

  test('are replaced by others', async () => {
    const names = ['n0', 'n1', 'n2', 'n3', 'n4', 'n5'];
    const { net, light } = setup(Object.fromEntries(names.map((name) => [name, honest(50)])));
    for (const name of ['n0', 'n1', 'n2']) net.remove(name);
    expect(await heightOf(light)).toBe(50);
    for (const name of ['n3', 'n4', 'n5']) net.remove(name);
    await expectCodeAsync('UNREACHABLE', light.head());
    net.serve('n2', honest(55));
    expect(await heightOf(light)).toBe(55);
  });

  test('that never answer are waited for only until another has', async () => {
    const silent: Services = {
      ...honest(30),
      [CHAIN_SERVICES.head]: () => new Promise<Uint8Array>(() => undefined),
    };
    const others = { n3: honest(31), n4: honest(31), n5: honest(31) };
    const { light, net } = setup({ n0: honest(30), n1: silent, n2: silent, ...others });
    expect(await heightOf(light)).toBe(30);
    net.log.length = 0;
    expect(await heightOf(light)).toBe(31);
    expect(net.log).toEqual(['n0', 'n3', 'n4'].map((name) => `${name} chain-head`));
  });

  test('make a quorum impossible when too many are gone, and nothing is said then', async () => {
    // The validators are the nodes that are asked.
    const { net, light } = setup(Object.fromEntries(ABCD.map((name) => [name, honest(30)])), {
      freshness: 'quorum',
      ids: ABCD.map((name) => steadyId(name)),
    });
    expect(await heightOf(light)).toBe(30);
    net.serve('d', honest(33), steadyId('d'));
    expect(await heightOf(light)).toBe(33);
    net.remove('a', steadyId('a'));
    expect(await heightOf(light)).toBe(33);
    net.remove('b', steadyId('b'));
    await expectCodeAsync('UNREACHABLE', light.head());
  });

  test('that say they were aborted do not abort the caller', async () => {
    const aborting: Services = {
      [CHAIN_SERVICES.head]: () => {
        throw new StoreError('ABORTED', 'you wanted to stop');
      },
    };
    const { light } = setup({ n0: { ...honest(30), ...aborting }, n1: honest(30) });
    expect(await heightOf(light)).toBe(30);
    await expectCodeAsync('ABORTED', light.head(AbortSignal.abort()));
  });
});

describe('a node that lies', () => {
  const forged = steady.fork(20, { signs: (name) => name === 'a' });
  const strangers = steady.fork(20, { members: () => ['x', 'y', 'z', 'w'] });
  const otherNetwork = new HeaderChain({ network: digestOther(), members: () => ABCD });
  const garbage: Services = { [CHAIN_SERVICES.head]: () => new Uint8Array([1, 2, 3]) };
  const swapped: Services = {
    [CHAIN_SERVICES.head]: () =>
      encodeLightBlock({ ...steady.light(60), certificate: steady.light(59).certificate }),
  };
  const otherSet: Services = {
    [CHAIN_SERVICES.head]: () => encodeLightBlock({ ...steady.light(60), validators: strangers.setAt(60) }),
  };
  const badSignature: Services = {
    [CHAIN_SERVICES.head]: () => {
      const light = steady.light(60);
      const [first, ...rest] = light.certificate.signatures;
      const signatures = [{ ...first!, signature: rest[0]!.signature }, ...rest];
      return encodeLightBlock({ ...light, certificate: { ...light.certificate, signatures } });
    },
  };
  const liars: Readonly<Record<string, Services>> = {
    'with bytes that are no light block': garbage,
    'with the certificate of another block': swapped,
    'with another validator set': otherSet,
    'with a signature of somebody else': badSignature,
    'with too few signatures': honest(60, forged),
    'with a chain of other validators': honest(60, strangers),
    'with another network': honest(60, otherNetwork),
  };

  test.each(Object.entries(liars))('%s is found out, and another is asked', async (_name, liar) => {
    const { light, lies } = setup({
      liar: { ...honest(60), ...liar },
      n1: honest(50),
      n2: honest(50),
      n3: honest(50),
    });
    // It serves the trusted block as others do, so only its head is false.
    expect(await heightOf(light)).toBe(50);
    expect(toHex((await light.head()).id)).toBe(toHex(steady.light(50).id));
    expect(lies).toHaveLength(1);
    expect(lies[0]).toMatch(/^liar: /);
  });

  test('is not asked again', async () => {
    const { net, light } = setup({ liar: { ...honest(60), ...garbage }, n1: honest(50) });
    await light.head();
    net.log.length = 0;
    await light.head();
    expect(net.log).toEqual(['n1 chain-head']);
  });

  test('on the way to a header is found out too', async () => {
    const replaced = new HeaderChain({
      members: (height) => ABCD.map((name) => `${name}${Math.floor(height / 20)}`),
    });
    const wrongWay: Services = {
      ...honest(100, replaced),
      [CHAIN_SERVICES.light]: (header) => {
        if (header.at(-1) === 1) return encodeLightBlock(replaced.light(1));
        return encodeLightBlock(steady.light(3));
      },
    };
    const { light, lies } = setup({ liar: wrongWay, n1: honest(90, replaced) }, { chain: replaced });
    expect(await heightOf(light)).toBe(90);
    expect(lies).toHaveLength(1);
  });

  test('without end comes to an end', async () => {
    const endless: Services = {
      ...honest(2 ** 20, steady),
      // A header of always other validators, half the way.
      [CHAIN_SERVICES.head]: () => encodeLightBlock(strangers.light(60)),
      [CHAIN_SERVICES.light]: (header) => {
        const height = header.length > 2 ? header[2]! : header[1]!;
        return encodeLightBlock(height < 20 ? steady.light(height) : strangers.light(height));
      },
    };
    const { light, lies } = setup({ liar: endless });
    await expectCodeAsync('PROTOCOL', light.head());
    expect(light.requests).toBeLessThan(30);
    expect(lies).toHaveLength(1);
    await expectCodeAsync('PROTOCOL', light.head());
  });

  test('about a header below what was trusted first is found out by the ids of parents', async () => {
    const fork = steady.fork(90, {});
    const liar: Services = {
      ...honest(200),
      [CHAIN_SERVICES.light]: (header) => {
        const height = header.at(-1)!;
        return encodeLightBlock((height < 100 ? fork : steady).light(height));
      },
    };
    const { light, lies } = setup({ liar, n1: honest(200) }, { start: 100 });
    expect(toHex((await light.at(97)).id)).toBe(toHex(steady.light(97).id));
    expect(lies).toHaveLength(1);
  });

  test('about a lower header does not make the others liars', async () => {
    const halfTrue: Services = {
      ...honest(60),
      [CHAIN_SERVICES.light]: (header) =>
        encodeLightBlock(header.at(-1) === 1 ? steady.light(1) : forged.light(40)),
    };
    const { light, lies } = setup({ half: halfTrue, n1: honest(40), n2: honest(40) });
    expect(await heightOf(light)).toBe(60);
    expect(lies.every((lie) => lie.startsWith('half: '))).toBe(true);
  });
});

describe('a forged header of far away', () => {
  const FAR = 2 ** 30;
  const decoded = (header: Uint8Array): number => decodeHeight(header, 'test');

  /** Its headers are those of the chain up to 20, and then of strangers; each answer takes a while. */
  function forger(tell: (height: number) => void): Services {
    const show = (height: number): Uint8Array => {
      tell(height);
      return encodeLightBlock(
        height <= 20 ? steady.light(height) : strayLight(height, ['x', 'y', 'z'], timeOf(100)),
      );
    };
    return {
      [CHAIN_SERVICES.head]: () => show(FAR),
      [CHAIN_SERVICES.light]: (header) => show(decoded(header)),
    };
  }

  test('costs a bounded time, and the node that shows it is asked last from then on', async () => {
    let elapsedMs = 0;
    const asked: number[] = [];
    const liar = forger((height) => {
      if (height === 1 || height === FAR) return;
      elapsedMs += 4_000;
      asked.push(height);
    });
    const nodes = { liar, n1: honest(50), n2: honest(50), n3: honest(50) };
    const { light, net } = setup(nodes, { monotonic: () => elapsedMs });
    expect(await heightOf(light)).toBe(50);
    expect(elapsedMs).toBeLessThanOrEqual(WAY_TIME_MS + CHAIN_ASK_TIMEOUT_MS);
    net.log.length = 0;
    expect(await heightOf(light)).toBe(50);
    expect(net.log.filter((line) => line.startsWith('liar'))).toEqual([]);
    expect(asked.length).toBeLessThanOrEqual(3);
  });

  test('costs a bounded time when a quorum is asked, however many show one', async () => {
    let elapsedMs = 0;
    const members = Array.from({ length: 10 }, (_, index) => `m${index}`);
    const chain = new HeaderChain({ members: () => members });
    const ids = members.map(steadyId);
    const slow = (): Services => ({
      [CHAIN_SERVICES.head]: () => encodeLightBlock(strayLight(FAR, ['x', 'y', 'z'], timeOf(100))),
      [CHAIN_SERVICES.light]: (header) => {
        elapsedMs += 1_000;
        return encodeLightBlock(strayLight(decoded(header), ['x', 'y', 'z'], timeOf(100)));
      },
    });
    const nodes = Object.fromEntries(
      members.map((name, index) => [name, index > 6 ? slow() : honest(50, chain)] as const),
    );
    const { light, net } = setup(nodes, {
      chain,
      ids,
      freshness: 'quorum',
      monotonic: () => elapsedMs,
    });
    await light.start();
    elapsedMs = 0;
    expect(await heightOf(light)).toBe(50);
    expect(elapsedMs).toBeLessThanOrEqual(3 * (WAY_TIME_MS + 1_000));
    expect(net.calls).toBeLessThan(100);
  });

  test('of a node that leads on and on is given up, and what it proved is kept for the next one', async () => {
    const restless = new HeaderChain({ members: (height) => ABCD.map((name) => `${name}${height}`) });
    const { light, net } = setup(
      { n0: honest(400, restless), n1: honest(400, restless) },
      { chain: restless },
    );
    expect(await heightOf(light)).toBe(400);
    const counts = ['n0', 'n1'].map(
      (name) => net.log.filter((line) => line === `${name} chain-light`).length,
    );
    for (const count of counts) expect(count).toBeGreaterThan(100);
  });
});

describe('a header ahead of the clock', () => {
  const ahead = (height: number): Services => ({
    ...honest(60),
    [CHAIN_SERVICES.head]: () => encodeLightBlock(strayLight(height, ABCD, timeOf(50_000))),
  });

  test('is that of the node, when most nodes show none: it is set aside', async () => {
    const { light, net } = setup({ liar: ahead(61), n1: honest(50), n2: honest(50), n3: honest(50) });
    expect(await heightOf(light)).toBe(50);
    net.log.length = 0;
    expect(await heightOf(light)).toBe(50);
    expect(net.log.sort()).toEqual(['n1 chain-head', 'n2 chain-head', 'n3 chain-head']);
  });

  test('is that of the node, even where it answers first and alone', async () => {
    const { light } = setup({
      liar: ahead(61),
      n1: { ...honest(50), [CHAIN_SERVICES.head]: () => new Promise(() => undefined) },
      n2: { ...honest(50), [CHAIN_SERVICES.head]: () => new Promise(() => undefined) },
      n3: honest(50),
      n4: honest(50),
    });
    expect(await heightOf(light)).toBe(50);
  });

  test('is the fault of this machine’s clock, when most nodes show one', async () => {
    const now = (): number => timeOf(20);
    const { light, lies } = setup({ n0: honest(60), behind: honest(10), n1: honest(60) }, { now });
    const error = await expectCodeAsync('PROTOCOL', light.head());
    expect(error.next).toMatch(/clock/);
    expect(lies).toEqual([]);
  });
});

describe('heights that nodes have pruned', () => {
  const churning = new HeaderChain({
    members: (height) => Array.from({ length: 20 }, (_, at) => `v${2 * Math.floor(height / 100) + at}`),
  });
  /** It has given up all blocks but the newest, and the one that the client trusts is told it by another. */
  const keeping = (oldest: number): Services => {
    const services = headerServices(
      churning,
      () => 10_000,
      () => oldest,
    );
    return {
      ...services,
      [CHAIN_SERVICES.light]: (header) =>
        decodeHeight(header, 'test') === 8_500
          ? encodeLightBlock(churning.light(8_500))
          : services[CHAIN_SERVICES.light]!(header, new Uint8Array(0)),
    };
  };

  test('are gone around by those that they still have', async () => {
    const { light, lies } = setup({ n0: keeping(8_880) }, { chain: churning, start: 8_500 });
    expect(await heightOf(light)).toBe(10_000);
    expect(lies).toEqual([]);
  });

  test('are asked of others, where the way leads through them', async () => {
    const nodes = { n0: keeping(9_900), n1: keeping(9_900), n2: honest(9_990, churning) };
    const { light, lies } = setup(nodes, { chain: churning, start: 8_500 });
    expect(await heightOf(light)).toBeGreaterThanOrEqual(9_990);
    expect(lies).toEqual([]);
  });

  test('and that nobody has any more make a newer block necessary that somebody names', async () => {
    const { light, lies } = setup({ n0: keeping(9_900) }, { chain: churning, start: 8_500 });
    const error = await expectCodeAsync('UNREACHABLE', light.head());
    expect(error.next).toContain('--trust-height');
    expect(light.requests).toBeLessThan(100);
    expect(lies).toEqual([]);
  });
});

describe('a quorum of validators', () => {
  const EFGH = ['e', 'f', 'g', 'h'];
  const moved = new HeaderChain({ members: (height) => (height <= 100 ? ABCD : EFGH) });
  const ids = [...ABCD, ...EFGH].map(steadyId);
  const all = (old: Services | undefined, young: Services): Record<string, Services> =>
    Object.fromEntries([
      ...ABCD.map((name) => [name, old ?? {}] as const),
      ...EFGH.map((name) => [name, young] as const),
    ]);
  const options = { chain: moved, ids, freshness: 'quorum', start: 50 } as const;

  test('is that of the newest set: when all others have left, nobody needs them', async () => {
    const { light, net } = setup(all(honest(90, moved), honest(150, moved)), options);
    await light.start();
    for (const name of ABCD) net.remove(name, steadyId(name));
    expect(await heightOf(light)).toBe(150);
  });

  test('is asked again when the set has changed since: those who left know nothing of what came after them', async () => {
    const { light } = setup(all(honest(100, moved), honest(150, moved)), options);
    expect(await heightOf(light)).toBe(150);
  });

  test('of the newest set must answer: those who left do not stand in for it', async () => {
    const { light, net } = setup(all(honest(120, moved), honest(120, moved)), options);
    await light.start();
    for (const name of EFGH.slice(0, 2)) net.remove(name, steadyId(name));
    const error = await expectCodeAsync('UNREACHABLE', light.head());
    expect(error.message).toContain('2 of 4 validators answered');
  });
});

function digestOther() {
  return new Uint8Array(32).fill(7) as typeof NETWORK;
}

describe('two valid blocks of one height', () => {
  const fork = steady.fork(30, { signs: () => true });

  test('are an attack: the client stops, names both, and keeps the evidence', async () => {
    const { light, store } = setup({ n0: honest(60), n1: honest(60, fork), n2: honest(60) });
    const error = (await expectCodeAsync('INTEGRITY', light.head())) as LightClientAttack;
    expect(error).toBeInstanceOf(LightClientAttack);
    const ids = [steady.light(60), fork.light(60)].map(({ id }) => toHex(id));
    for (const id of ids) expect(error.message).toContain(id);
    expect(error.blocks.map(({ id }) => toHex(id)).sort()).toEqual([...ids].sort());
    expect(error.evidence?.kind).toBe('light-client-attack');
    await expectCodeAsync('INTEGRITY', light.head());
    await expectCodeAsync('INTEGRITY', light.at(10));
    await light.flush();
    expect(
      decodeTrust(store.bytes!, NETWORK)
        .attack?.map(({ id }) => toHex(id))
        .sort(),
    ).toEqual([...ids].sort());
    const again = setup({ n0: honest(61), n1: honest(61) }, { store });
    await expectCodeAsync('INTEGRITY', again.light.head());
    const told = setup({ n0: honest(80) }, { store, start: 70 });
    expect(await heightOf(told.light)).toBe(80);
  });

  test('are noticed at different newest heights too', async () => {
    for (const height of [58, 60]) {
      const { light } = setup({ n0: honest(61), n1: honest(height, fork) });
      await expectCodeAsync('INTEGRITY', light.head());
    }
  });

  test('are noticed when more than a third of who was trusted turned to other validators', async () => {
    const colluding = steady.fork(30, { members: () => ['a', 'b', 'x'] });
    const { light } = setup({ n0: honest(60), n1: honest(60, colluding) });
    await expectCodeAsync('INTEGRITY', light.head());
  });

  test('are no attack when the other one cannot be reached from what is trusted', async () => {
    const few = steady.fork(30, { members: () => ['a', 'x', 'y', 'z'] });
    const { light, lies } = setup({ n0: honest(60), n1: honest(60, few) });
    expect(await heightOf(light)).toBe(60);
    expect(lies).toHaveLength(1);
    expect(lies[0]).toMatch(/^n1: /);
  });

  test('are noticed when they are shown one after the other', async () => {
    const { light, net } = setup({ n0: honest(60) });
    expect(await heightOf(light)).toBe(60);
    net.serve('n0', honest(60, fork));
    await expectCodeAsync('INTEGRITY', light.head());
  });
});

describe('trust', () => {
  test('begins with the block that was named, and with no other', async () => {
    const wrong = { height: 5, id: steady.light(6).id };
    const { light, lies } = setup({ n0: honest(60) }, { trust: wrong });
    await expectCodeAsync('PROTOCOL', light.head());
    expect(lies).toHaveLength(1);
  });

  test('is written down and taken up again', async () => {
    const first = setup({ n0: honest(60) });
    await first.light.head();
    await first.light.flush();
    const second = setup({ n0: honest(70) }, { store: first.store, start: 1 });
    expect(await heightOf(second.light)).toBe(70);
    expect(second.net.log).toEqual(['n0 chain-head']);
    await second.light.flush();
    expect(decodeTrust(second.store.bytes!, NETWORK).light.header.height).toBe(70);
  });

  test('is not written down more often than every ten seconds', async () => {
    let head = 10;
    const { light, store } = setup({ n0: honest(() => head) });
    for (; head < 20; head++) await light.head();
    expect(store.saves).toBe(1);
    await light.flush();
    expect(decodeTrust(store.bytes!, NETWORK).light.header.height).toBe(19);
  });

  test('that cannot be read begins anew, that of another network does not', async () => {
    const damaged = memoryTrust(new Uint8Array([1, 2, 3]));
    expect(await heightOf(setup({ n0: honest(60) }, { store: damaged }).light)).toBe(60);
    const first = setup({ n0: honest(60) });
    await first.light.head();
    await first.light.flush();
    const other = setup({ n0: honest(60) }, { store: first.store, network: digestOther() });
    await expectCodeAsync('WRONG_NETWORK', other.light.head());
  });

  test('ends after the trust period, whoever says what', async () => {
    let now = timeOf(100);
    const options = { trustPeriodMs: 60_000, now: () => now };
    const { light, net, store, lies } = setup({ n0: honest(60) }, { ...options, start: 50 });
    expect(await heightOf(light)).toBe(60);
    await light.flush();
    now = timeOf(121);
    await expectCodeAsync('INVALID_CONFIG', light.head());
    net.serve('n0', honest(110));
    await expectCodeAsync('INVALID_CONFIG', light.head());
    expect(light.newest.height).toBe(60);
    const later = setup({ n0: honest(110) }, { ...options, store, start: 50 });
    expect(await later.light.head().catch((error: unknown) => error)).toBeInstanceOf(TrustExpired);
    const told = setup({ n0: honest(110) }, { ...options, store, start: 100 });
    expect(await heightOf(told.light)).toBe(110);
    expect(lies).toEqual([]);
  });

  test('is not lost to a clock that is slow: the header waits', async () => {
    let now = timeOf(20);
    const { light, lies } = setup({ n0: honest(60) }, { now: () => now });
    const error = await expectCodeAsync('PROTOCOL', light.head());
    expect(error.next).toMatch(/clock/);
    now = timeOf(60);
    expect(await heightOf(light)).toBe(60);
    expect(lies).toEqual([]);
  });
});
