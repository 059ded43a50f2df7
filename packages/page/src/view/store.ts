/** The one place of everything that a page shows; views only read it. */
export interface Store<State> {
  readonly state: State;
  set(change: Partial<State>): void;
  /** For a change that leaves members out. */
  replace(next: State): void;
  subscribe(listener: () => void): void;
}

export function createStore<State extends object>(first: State): Store<State> {
  let state = first;
  const listeners: (() => void)[] = [];
  let isDrawing = false;
  /** Many changes come at once: the page is drawn once a frame. */
  const replace = (next: State) => {
    state = next;
    if (isDrawing) return;
    isDrawing = true;
    requestAnimationFrame(() => {
      isDrawing = false;
      for (const listener of listeners) listener();
    });
  };
  return {
    get state() {
      return state;
    },
    set: (change) => replace({ ...state, ...change }),
    replace,
    subscribe: (listener) => void listeners.push(listener),
  };
}
