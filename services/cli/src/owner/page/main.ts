import { applyTheme, rememberedTheme } from '@strongroom/page/view/theme';
import { h, render } from 'preact';
import { askWith, takeSecret } from './ask.ts';
import { createDesk, type Desk } from './desk.ts';
import { createPageStore } from './state.ts';
import { App } from './view/app.ts';

/** The owner's page: it shows what its own server has verified, and holds no key. */

const REFRESH_MS = 15_000;

const store = createPageStore();
const root = document.getElementById('app');
const secret = takeSecret();
const desk: Desk | undefined =
  secret === undefined ? undefined : createDesk(store, askWith(secret));
const draw = () => {
  if (root) render(h(App, { store, state: store.state, desk }), root);
};
store.subscribe(draw);
const theme = rememberedTheme();
applyTheme(theme);
store.set({ theme, isLocked: secret === undefined });
draw();
await desk?.refresh();
setInterval(() => {
  // Older entries that somebody is reading are not taken away.
  const isReading = (store.state.requests.value?.requests.length ?? 0) > 100;
  if (!document.hidden && !store.state.ending && !isReading) void desk?.refresh();
}, REFRESH_MS);
