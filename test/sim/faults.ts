// The faults of a scenario and how the world suffers each.

import type { NetworkConditions } from './network.ts';
import { QUICK_DISK } from './disk.ts';
import { LOG } from './wal.ts';
import type { Observer } from './observer.ts';
import type { CrashPlan, World } from './world.ts';

export type Fault = { readonly atMs: number } & (
  | {
      readonly kind: 'partition';
      /** On one side; the others are on the other. */
      readonly side: readonly number[];
      /** `from`: the side is not heard; `to`: it does not hear; `both`: neither. */
      readonly direction: 'both' | 'from' | 'to';
      readonly durationMs: number;
    }
  | { readonly kind: 'conditions'; readonly conditions: NetworkConditions; readonly durationMs: number }
  | { readonly kind: 'crash'; readonly process: number; readonly plan: CrashPlan }
  | {
      readonly kind: 'crash between effects';
      readonly process: number;
      readonly calls: number;
      readonly plan: CrashPlan;
    }
  | { readonly kind: 'blackout'; readonly downMs: number }
  | { readonly kind: 'failed sync'; readonly process: number }
  | { readonly kind: 'full disk'; readonly process: number; readonly durationMs: number }
  | {
      readonly kind: 'slow disk';
      readonly process: number;
      readonly syncMaxMs: number;
      readonly durationMs: number;
    }
  /** It is killed and somebody deletes its write-ahead log before it starts again. */
  | { readonly kind: 'lost log'; readonly process: number; readonly downMs: number }
  | { readonly kind: 'pause'; readonly process: number; readonly durationMs: number }
  | { readonly kind: 'clock jump'; readonly process: number; readonly byMs: number }
);

export type FaultKind = Fault['kind'];

export const FAULT_KINDS: readonly FaultKind[] = [
  'partition',
  'conditions',
  'crash',
  'crash between effects',
  'blackout',
  'failed sync',
  'full disk',
  'slow disk',
  'lost log',
  'pause',
  'clock jump',
];

/** Has each fault happen at its time. */
export function schedule(world: World, faults: readonly Fault[], observer: Observer): void {
  for (const fault of faults) {
    world.scheduler.after(fault.atMs - world.scheduler.now, {
      run: () => {
        world.tally.add(nameOf(fault));
        observer.fault(describe(fault));
        strike(world, fault);
      },
    });
  }
}

/** Nothing is broken any more; processes that are down stay so. */
export function healAll(world: World): void {
  world.network.heal();
  for (let process = 0; process < world.size; process++) {
    const disk = world.disk(process);
    disk.isFull = false;
    disk.failingSyncs = 0;
    disk.conditions = QUICK_DISK;
    world.disarm(process);
    world.wake(process);
  }
}

function strike(world: World, fault: Fault): void {
  switch (fault.kind) {
    case 'partition':
      cut(world, fault);
      return;
    case 'conditions': {
      const before = world.network.conditions;
      world.network.conditions = fault.conditions;
      later(world, fault.durationMs, () => {
        if (world.network.conditions === fault.conditions) world.network.conditions = before;
      });
      return;
    }
    case 'crash':
      if (world.isUp(fault.process)) world.crash(fault.process, fault.plan);
      return;
    case 'crash between effects':
      world.crashAfter(fault.process, fault.calls, fault.plan);
      return;
    case 'blackout':
      for (let process = 0; process < world.size; process++) {
        world.crash(process, { isPowerCut: true, downMs: fault.downMs });
      }
      return;
    case 'failed sync':
      world.disk(fault.process).failingSyncs++;
      return;
    case 'full disk': {
      const disk = world.disk(fault.process);
      disk.isFull = true;
      later(world, fault.durationMs, () => {
        disk.isFull = false;
      });
      return;
    }
    case 'slow disk': {
      const disk = world.disk(fault.process);
      disk.conditions = { syncMinMs: fault.syncMaxMs / 4, syncMaxMs: fault.syncMaxMs };
      later(world, fault.durationMs, () => {
        disk.conditions = QUICK_DISK;
      });
      return;
    }
    case 'lost log':
      world.crash(fault.process, { isPowerCut: false, downMs: fault.downMs });
      world.disk(fault.process).lose(LOG);
      return;
    case 'pause':
      world.pause(fault.process);
      later(world, fault.durationMs, () => world.wake(fault.process));
      return;
    case 'clock jump':
      world.clock(fault.process).jump(fault.byMs);
  }
}

function cut(world: World, fault: Extract<Fault, { kind: 'partition' }>): void {
  const { side, direction } = fault;
  const pairs: [number, number][] = [];
  for (let other = 0; other < world.size; other++) {
    if (side.includes(other)) continue;
    for (const process of side) {
      if (direction !== 'to') pairs.push([process, other]);
      if (direction !== 'from') pairs.push([other, process]);
    }
  }
  for (const [from, to] of pairs) world.network.cut(from, to);
  later(world, fault.durationMs, () => {
    for (const [from, to] of pairs) world.network.mend(from, to);
  });
}

function later(world: World, delayMs: number, run: () => void): void {
  world.scheduler.after(delayMs, { run });
}

function nameOf(fault: Fault): string {
  if (fault.kind === 'partition') return fault.direction === 'both' ? 'partition' : 'one-way partition';
  if (fault.kind === 'crash') return fault.plan.isPowerCut ? 'power cut' : 'kill';
  return fault.kind === 'conditions' ? 'network weather' : `${fault.kind} planned`;
}

export function describe(fault: Fault): string {
  switch (fault.kind) {
    case 'partition': {
      const side = `{${fault.side.join(', ')}}`;
      const what = { both: `${side} is cut off`, from: `${side} is not heard`, to: `${side} hears nobody` };
      return `${what[fault.direction]} for ${fault.durationMs} ms`;
    }
    case 'conditions': {
      const { lossShare, duplicateShare, delayMaxMs, slowShare } = fault.conditions;
      const percent = (share: number): string => `${Math.round(100 * share)} %`;
      return (
        `network: ${percent(lossShare)} lost, ${percent(duplicateShare)} twice, delays up to ${Math.round(delayMaxMs)} ms, ` +
        `${percent(slowShare)} slow, for ${fault.durationMs} ms`
      );
    }
    case 'crash':
      return `process ${fault.process} is ${fault.plan.isPowerCut ? 'cut from power' : 'killed'}`;
    case 'crash between effects':
      return `process ${fault.process} will crash after ${fault.calls} more calls`;
    case 'blackout':
      return `all machines are cut from power for ${fault.downMs} ms`;
    case 'failed sync':
      return `the next sync of process ${fault.process} will fail`;
    case 'full disk':
      return `the disk of process ${fault.process} is full for ${fault.durationMs} ms`;
    case 'slow disk':
      return `syncs of process ${fault.process} take up to ${fault.syncMaxMs} ms for ${fault.durationMs} ms`;
    case 'lost log':
      return `process ${fault.process} is killed and its log deleted`;
    case 'pause':
      return `process ${fault.process} is paused for ${fault.durationMs} ms`;
    case 'clock jump':
      return `the clock of process ${fault.process} jumps by ${fault.byMs} ms`;
  }
}
