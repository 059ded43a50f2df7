/** A third of what this command would load, and most of its verbs ask no vault: loaded late. */
export { KeyClient } from '@azure/keyvault-keys';
