// The one host type that ports name: cancellation. The pure folders compile without host types, so its shape is
// stated here; with host types present the two declarations merge.

declare global {
  interface AbortSignal {
    readonly aborted: boolean;
    readonly reason: any;
    throwIfAborted(): void;
  }
}

export {};
