import './no-eval.ts';
import assert from 'node:assert/strict';
import { applyTheme, rememberedTheme } from '@strongroom/page/view/theme';
import { h, render } from 'preact';
import { loadContract } from './reading.ts';
import { createPageStore } from './state.ts';
import { App } from './view/app.ts';

/** The analyst's page: everything that is shown was verified and opened in this browser. */

const store = createPageStore();
const root = document.getElementById('app');
assert(root, 'the page has a place for the application');
const draw = () => render(h(App, { store, state: store.state }), root);
store.subscribe(draw);
const theme = rememberedTheme();
applyTheme(theme);
store.set({ theme });
draw();
await loadContract(store);
