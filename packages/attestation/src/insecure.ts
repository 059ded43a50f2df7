/**
 * The door of the simulated platform. Who writes this import line accepts evidence that proves
 * nothing: `main.insecure.ts` files, tests, and the command that makes a deployment's roots.
 */
export {
  type DeploymentOptions,
  SIMULATED_WARNING,
  simulatedRoots,
} from './insecure/deployment.ts';
export { measureImage } from './insecure/image.ts';
export { SCENARIOS, VARIANTS } from './insecure/scenarios.ts';
export {
  createSimulatedPlatform,
  type LaunchOptions,
  loadSimulatedPlatform,
  type SimulatedPlatform,
} from './insecure/simulated-platform.ts';
