import '@maestro/recipes';
