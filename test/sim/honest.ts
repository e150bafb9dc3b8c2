// An honest participant: the real host, engine, log format and guard rules, on the simulated disk and network. Every call of
// a port may be its last: `goesOn` decides, so that a crash comes between any two effects.

import type { NetworkId } from '../../src/base/ids.ts';
import { StoreError } from '../../src/base/errors.ts';
import type { EngineState } from '../../src/consensus/engine-state.ts';
import type { HeightStart, TimeoutParams } from '../../src/consensus/types.ts';
import { type HostEngine, ValidatorHost } from '../../src/node/validator/host.ts';
import type { HostPorts } from '../../src/node/validator/host.ts';
import { realEngine } from '../../src/node/validator/real-engine.ts';
import { type ApplicationHabits, blockIdOf, SimApplication } from './application.ts';
import { SimSigner } from './signer.ts';
import { SimWal } from './wal.ts';
import { nodeOf, type Participant, type ParticipantFactory, type Place } from './world.ts';

export interface HonestOptions {
  readonly timeouts: TimeoutParams;
  readonly habits: ApplicationHabits;
  /** Puts another engine in the place of the real one: a seeded bug, an adversary's. */
  readonly engine?: (real: HostEngine<EngineState>, place: Place) => HostEngine<EngineState>;
}

export interface HonestParticipant extends Participant {
  readonly host: ValidatorHost<EngineState>;
}

export const honest =
  (options: HonestOptions): ParticipantFactory =>
  (place) =>
    beginHonest(place, options);

export function beginHonest(place: Place, options: HonestOptions): HonestParticipant {
  const { chain, disk, signer: key } = place;
  const owner: { network: NetworkId; node: ReturnType<typeof nodeOf> } = {
    network: chain.network,
    node: nodeOf(key),
  };
  const wal = new SimWal(disk, owner, place.random.fork('wal'));
  const signer = new SimSigner(disk, owner, key);
  const application = new SimApplication(
    {
      disk,
      random: place.random.fork('application'),
      process: place.process,
      timer: place.timer,
      heightStart: (height) => heightStart(place, height),
      ask: place.ask,
      fail: place.exit,
    },
    options.habits,
  );
  const real = realEngine({
    config: { timeouts: options.timeouts },
    network: chain.network,
    verify: chain.verify,
    startOf: (height) => (height < 1 ? undefined : chain.start(height)),
  });
  const engine = options.engine?.(real, place) ?? real;
  const host = new ValidatorHost(watched(engine, place), ports(place, wal, signer, application));
  signer.open();
  const logged = wal.open();
  host.start(logged, application.next(), signer.last);
  return {
    host,
    receive: (_from, message, block) => host.receive(message, block),
    held: (height, blockId) => application.held(height, blockId),
    stop: () => host.stop(),
  };
}

function heightStart(place: Place, height: number): HeightStart {
  return { ...place.chain.start(height), self: place.validator };
}

function watched(engine: HostEngine<EngineState>, place: Place): HostEngine<EngineState> {
  return {
    ...engine,
    step: (state, input) => {
      place.observer.applied(place.process, input);
      return engine.step(state, input);
    },
  };
}

function ports(place: Place, wal: SimWal, signer: SimSigner, application: SimApplication): HostPorts {
  const { process, observer } = place;
  return {
    wal: {
      append: (input) => {
        if (place.goesOn()) wal.append(input);
      },
      sync: (done) => {
        if (place.goesOn()) wal.sync(done);
      },
      startHeight: (start, done) => {
        if (place.goesOn()) wal.startHeight(start, done);
      },
      close: () => wal.close(),
    },
    signer: {
      sign: (message, done) => {
        if (!place.goesOn()) return;
        signer.sign(message, (result) => {
          if (!(result instanceof StoreError)) observer.signed(process, result);
          done(result);
        });
      },
      observe: (message) => signer.observe(message),
      close: () => signer.close(),
    },
    transport: {
      broadcast: (message, block) => {
        if (place.goesOn()) place.broadcast(message, block);
      },
      send: (to, message, block) => {
        if (place.goesOn()) place.send(to, message, block);
      },
    },
    timers: { schedule: place.timer },
    application: {
      requestValue: (height, round, done) => {
        if (place.goesOn()) application.requestValue(height, round, done);
      },
      judge: (height, blockId, block, done) => {
        if (place.goesOn()) application.judge(height, blockId, block, done);
      },
      fetch: (height, blockId, holders, done) => {
        if (place.goesOn()) application.fetch(height, blockId, holders, done);
      },
      decided: (height, decision, done) => {
        if (!place.goesOn()) return;
        observer.decided(process, height, decision);
        application.decided(height, decision, done);
      },
      decision: (height, done) => application.decision(height, done),
    },
    events: {
      evidence: (evidence) => observer.evidence(process, evidence),
      foreignSignature: (message) => observer.foreignSignature(process, message),
      refused: (message, error) =>
        observer.refused(process, `${message.kind} ${message.height}/${message.round}: ${error.code}`),
      failed: (error) => {
        place.tally.add(`exit ${error.code}`);
        place.exit(error);
      },
    },
    blockId: blockIdOf,
  };
}
